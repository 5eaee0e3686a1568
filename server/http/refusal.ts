import { UploadError } from '../errors.js'

/** Where refusals are logged; it counts those that come again and again, as clients can cause as many as they like. */
export interface RefusalLog {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

const FAULTS: ReadonlySet<string> = new Set(['internal', 'disk_full', 'files_exhausted'])

/** True where the server is at fault; all other refusals are what clients cause. */
export function isFault(error: unknown): boolean {
  if (!(error instanceof UploadError)) return false
  return FAULTS.has(error.code) || isFault(error.cause)
}

/** Logs why a request was refused: a fault with its cause and stack, anything else in one line of plain facts. */
export function noteRefusal(log: RefusalLog, error: UploadError, fields: object): void {
  const { code, detail, cause } = error
  const reason = { detail, cause: cause === undefined ? undefined : String(cause) }
  if (isFault(error)) log.error({ ...fields, code, err: error }, 'request failed')
  else log.info({ ...fields, code, ...reason }, 'request refused')
}
