import * as v from 'valibot'
import { UploadError } from '../../errors.js'
import type { Answer } from '../../model/answer.js'
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
  readonly path: string
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

  /** Tells whether tokens are issued at this path. */
  isAt(path: string): boolean {
    return path === '/api/grants' || linkedId(path) !== undefined
  }

  /** Answers a POST. Rejects with not_found, body_invalid, upload_unknown, upload_unfinished or downloads_disabled. */
  async answer(asked: AskedToken): Promise<Answer> {
    const id = linkedId(asked.path)
    const value = id === undefined ? await this.#grant(asked) : await this.#link(asked, id)
    const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
    return { status: 201, headers, text: `${JSON.stringify(value)}\n` }
  }

  async #grant({ body, origin }: AskedToken): Promise<object> {
    const { basePath, grants } = this.#parts
    const { token, grant } = await grants.make(body)
    const endpoint = `${origin}${basePath}?grant=${token}`
    return { token, endpoint, expiresAt: dateOf(grant.expiresAt) }
  }

  async #link({ body, origin, principal }: AskedToken, id: string): Promise<object> {
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

function linkedId(path: string): string | undefined {
  return /^\/api\/uploads\/([^/]+)\/links$/.exec(path)?.[1]
}

function dateOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
