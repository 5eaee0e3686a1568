import { UploadError } from '../errors.js'

/** An upload may not come in at all, whatever is sent again: it is removed, and its record says why. */
type Refusal = UploadError & { readonly code: RefusalCode }
type RefusalCode = 'type_refused' | 'size_exceeded' | 'upload_rejected'

const CODES: ReadonlySet<string> = new Set<RefusalCode>(['type_refused', 'size_exceeded', 'upload_rejected'])

/** Tells whether an error refuses an upload, and not just one request for it. */
export function isRefusal(error: unknown): error is Refusal {
  return error instanceof UploadError && CODES.has(error.code)
}
