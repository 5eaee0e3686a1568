import { systemCodeOf } from '../errors.js'

/** Tells whether a system call failed because there is no such file, or no folder on the way to it. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error))
}
