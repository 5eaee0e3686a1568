import { isFault, type UploadError } from '../errors.js'

/** Where requests are logged. A log of refusals counts lines that come again and again: clients cause as many as they like. */
export interface RequestLog {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Logs why a request was refused: a fault with its cause and stack, anything else in one line of plain facts. */
export function logRefusal(log: RequestLog, error: UploadError, fields: object): void {
  const { code, detail, cause } = error
  const reason = { detail, cause: cause === undefined ? undefined : String(cause) }
  if (isFault(error)) log.error({ ...fields, code, err: error }, 'request failed')
  else log.info({ ...fields, code, ...reason }, 'request refused')
}
