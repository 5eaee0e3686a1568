import { UploadError } from '../errors.js'

/**
 * A failure of the disk as the client is told it: disk_full, or internal with the system's error as cause.
 * Errors cross threads without their `code`, so it is read from the message, where Node repeats it.
 */
export function diskError(error: unknown): UploadError {
  if (error instanceof UploadError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new UploadError(/\b(?:ENOSPC|EDQUOT)\b/.test(text) ? 'disk_full' : 'internal', { cause: error })
}
