import { asUploadError, systemCodeOf, UploadError } from '../errors.js'

/** A failure of the disk as the client is told it, with the system's error as cause. */
export function diskError(error: unknown): UploadError {
  return asUploadError(error)
}

/** Tells whether an upload's file is another one than the file that was open. */
export function isReplaced(error: UploadError): boolean {
  return systemCodeOf(error.cause) === 'REPLACED'
}

/** Tells whether an upload's file is gone, or is not as it was left. */
export function isFileFault(error: unknown): error is UploadError {
  return (
    error instanceof UploadError && ['DAMAGED', 'REPLACED', 'MISSING'].includes(systemCodeOf(error.cause))
  )
}
