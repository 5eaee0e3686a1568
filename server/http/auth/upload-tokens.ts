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

  /** What makes the key of an upload from its id. Rejects with the disk's error. */
  keys(): Promise<(id: string) => string> {
    return this.#signer.for('upload key')
  }

  /** Rejects with token_invalid where a key is not that of the upload, and with the disk's error. */
  async checkKey(id: string, key: string): Promise<void> {
    if (!(await this.#signer.isSigned('upload key', id, key)))
      throw new UploadError('token_invalid', { detail: 'the key of an upload' })
  }

  /** A link to an upload until then; seconds since 1970. Rejects with the disk's error. */
  async link(id: string, expiresAt: number): Promise<string> {
    return `${expiresAt}.${(await this.#signer.for('link'))(`${id} ${expiresAt}`)}`
  }

  /** Rejects with token_invalid or token_expired where a link is none of this upload, and with the disk's error. */
  async checkLink(id: string, link: string): Promise<void> {
    const [, expiresAt = '', signature = ''] = /^(\d{1,12})\.([\w-]+)$/.exec(link) ?? []
    if (!(await this.#signer.isSigned('link', `${id} ${expiresAt}`, signature)))
      throw new UploadError('token_invalid', { detail: 'a link' })
    if (this.#now() >= Number(expiresAt) * 1000)
      throw new UploadError('token_expired', { sentence: 'This link has expired' })
  }
}
