import { UploadError } from '../errors.js'

/** An upload may not come in at all, whatever is sent again: it is removed, and its record says why. */
type Refusal = UploadError & { readonly code: 'type_refused' | 'size_exceeded' }

/** Tells whether an error refuses an upload, and not just one request for it. */
export function isRefusal(error: unknown): error is Refusal {
  return error instanceof UploadError && (error.code === 'type_refused' || error.code === 'size_exceeded')
}
