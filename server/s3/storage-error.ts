import { UploadError } from '../errors.js'
import { SqlError } from '../model/sql.js'

/** An error of the database: as storage_unavailable where it does not answer, otherwise as it is. */
export function storageError(error: unknown): unknown {
  const isAway = error instanceof SqlError && ['gone', 'slow', 'locked'].includes(error.problem)
  return isAway ? new UploadError('storage_unavailable', { cause: error }) : error
}
