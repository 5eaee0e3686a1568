import { UploadError } from '../../errors.js'
import type { Signer } from './signer.js'

/** Signatures that open one upload: its key, with which it is continued, and links, by which it is downloaded. */
export class UploadTokens {
  readonly #signer: Signer
  readonly #now: () => number

  /** `now` gives milliseconds since 1970. */
  constructor(signer: Signer, now: () => number) {
    this.#signer = signer
    this.#now = now
  }

  /** What makes the key of an upload that a grant has created from its id. Rejects with the disk's error. */
  async keys(grantId: string): Promise<(id: string) => string> {
    const sign = await this.#signer.for('upload key')
    return (id) => `${grantId}.${sign(`${id} ${grantId}`)}`
  }

  /**
   * The grant that the key of an upload names. Rejects with token_invalid where it is the key of no or of another
   * upload, and with the disk's error.
   */
  async checkKey(id: string, key: string): Promise<string> {
    const [, grantId = '', signature = ''] = /^([0-9a-f]{32})\.([\w-]+)$/.exec(key) ?? []
    if (!(await this.#signer.isSigned('upload key', `${id} ${grantId}`, signature)))
      throw new UploadError('token_invalid', { detail: 'the key of an upload' })
    return grantId
  }

  /** A link to an upload that finished then, until `expiresAt`; seconds since 1970. Rejects with the disk's error. */
  async link(id: string, finishedAt: string, expiresAt: number): Promise<string> {
    const finishedAtMs = Date.parse(finishedAt)
    const sign = await this.#signer.for('link')
    return `${expiresAt}.${finishedAtMs}.${sign(`${id} ${finishedAtMs} ${expiresAt}`)}`
  }

  /**
   * When the upload finished that a link opens; ISO 8601. Rejects with token_invalid or token_expired where a link is
   * none of this id, and with the disk's error.
   */
  async checkLink(id: string, link: string): Promise<string> {
    const [, expiresAt = '', finishedAtMs = '', signature = ''] =
      /^(\d{1,12})\.(\d{1,15})\.([\w-]+)$/.exec(link) ?? []
    if (!(await this.#signer.isSigned('link', `${id} ${finishedAtMs} ${expiresAt}`, signature)))
      throw new UploadError('token_invalid', { detail: 'a link' })
    if (this.#now() >= Number(expiresAt) * 1000)
      throw new UploadError('token_expired', { sentence: 'This link has expired' })
    return new Date(Number(finishedAtMs)).toISOString()
  }
}
