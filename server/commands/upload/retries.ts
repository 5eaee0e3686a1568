import { DetailedError, type UploadOptions } from 'tus-js-client'

/** About ten minutes without any progress; tus-js-client counts from the start again after some. */
export const MOST_RETRIES = 16
const FIRST_DELAY_MS = 500
const MOST_DELAY_MS = 60_000
/** A server cannot have us wait longer than this between two tries. */
const MOST_ASKED_MS = 300_000
/** Beside these, every status from 500 on, and a connection that broke. */
const RETRIED: ReadonlySet<number> = new Set([0, 408, 409, 423, 425, 429, 460])

/** Milliseconds before a try; a tenth more or less, so that many clients do not come at once. */
export function delayMs(attempt: number): number {
  const delay = Math.min(MOST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt)
  return Math.round(delay * (0.9 + Math.random() * 0.2))
}

/** For tus-js-client: whether to try again. It waits as long as the server's Retry-After asks. */
export function isRetried(error: Error, attempt: number, options: UploadOptions): boolean {
  const status = statusOf(error)
  if (!RETRIED.has(status) && status < 500) return false
  const asked = error instanceof DetailedError ? error.originalResponse?.getHeader('Retry-After') : undefined
  const delays = options.retryDelays
  // The next failure at this attempt has a delay of its own again.
  if (delays) delays[attempt] = Math.max(delayMs(attempt), retryAfterMs(asked, Date.now()))
  return true
}

/** Milliseconds that a Retry-After asks for: seconds or a date (RFC 9110, section 10.2.3); 0 for none. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs
  return Number.isNaN(ms) ? 0 : Math.min(MOST_ASKED_MS, Math.max(0, ms))
}

/** Tells whether the upload does not exist on the server any more. */
export function isGone(error: Error): boolean {
  const isOfUpload = error instanceof DetailedError && error.originalRequest.getMethod() !== 'POST'
  return isOfUpload && [404, 410].includes(statusOf(error))
}

/** What an error of tus-js-client, or of the system, says in one line. */
export function reasonOf(error: unknown): string {
  const answer = error instanceof DetailedError ? error.originalResponse : null
  if (answer)
    return `the server answered ${answer.getStatus()} ${answer.getBody().trim().slice(0, 300)}`.trim()
  const cause = error instanceof DetailedError ? (error.causingError ?? error) : error
  return cause instanceof Error ? cause.message : String(cause)
}

function statusOf(error: Error): number {
  return error instanceof DetailedError ? (error.originalResponse?.getStatus() ?? 0) : -1
}
