import * as v from 'valibot'
import { UploadError } from '../../errors.js'
import type { Principal } from '../../model/principal.js'
import type { Grants } from './grants.js'
import type { UploadTokens } from './upload-tokens.js'

const HOUR_S = 3_600
const MOST_LINK_S = 365 * 24 * HOUR_S

/** The body of `POST /api/uploads/<id>/links`. */
const AskedLink = v.strictObject({
  /** Seconds. */
  expiresIn: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_LINK_S)), HOUR_S),
})

export interface IssueParts {
  readonly basePath: string
  /** The page is there, and so are drop links. */
  readonly page: boolean
  /** A link would open nothing. */
  readonly disableDownload: boolean
  readonly grants: Pick<Grants, 'make'>
  readonly uploadTokens: Pick<UploadTokens, 'link'>
  /** An upload's record; undefined where there is none for this principal. */
  readonly findUpload: (id: string, principal: Principal) => Promise<object | undefined>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface AskedToken {
  readonly principal: Principal
  /** The body as JSON. */
  readonly body: unknown
  /** Scheme and host by which the client reached us. */
  readonly origin: string
}

/** Issues what the server signs: grants for the admin, and links to uploads. */
export class Issuer {
  readonly #parts: IssueParts

  constructor(parts: IssueParts) {
    this.#parts = parts
  }

  /** What the answer to `POST /api/grants` says. Rejects with body_invalid. */
  async grant({ body, origin }: Pick<AskedToken, 'body' | 'origin'>): Promise<object> {
    const { basePath, grants, page } = this.#parts
    const { token, grant } = await grants.make(body)
    const endpoint = `${origin}${basePath}?grant=${token}`
    const dropUrl = page ? { dropUrl: `${origin}/drop/${token}` } : {}
    return { token, endpoint, ...dropUrl, expiresAt: dateOf(grant.expiresAt) }
  }

  /**
   * What the answer to `POST /api/uploads/<id>/links` says. Rejects with body_invalid, upload_unknown,
   * upload_unfinished or downloads_disabled.
   */
  async link(id: string, { body, origin, principal }: AskedToken): Promise<object> {
    const { basePath, disableDownload, uploadTokens, findUpload, now } = this.#parts
    if (disableDownload) throw new UploadError('downloads_disabled', { headers: { Allow: 'OPTIONS' } })
    const parsed = v.safeParse(AskedLink, body)
    if (!parsed.success) throw new UploadError('body_invalid')
    const upload = await findUpload(id, principal)
    if (!upload) throw new UploadError('upload_unknown')
    const finishedAt = 'state' in upload && upload.state === 'finished' && finishedAtOf(upload)
    if (!finishedAt) throw new UploadError('upload_unfinished')
    const expiresAt = Math.floor(now() / 1000) + parsed.output.expiresIn
    const link = await uploadTokens.link(id, finishedAt, expiresAt)
    return { url: `${origin}${basePath}/${id}?link=${link}`, expiresAt: dateOf(expiresAt) }
  }
}

function finishedAtOf(upload: object): string | undefined {
  return 'finishedAt' in upload && typeof upload.finishedAt === 'string' ? upload.finishedAt : undefined
}

function dateOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
