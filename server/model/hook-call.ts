import type { HookCall, HookEvent, HookRequest, HookUpload } from './hook.js'
import { fieldsOf } from './metadata.js'
import type { UploadRecord } from './record.js'

const NO_BYTES = new Uint8Array()

/** The upload of a record, for a hook; a copy, because a user's function may change what it is given. */
export function hookUpload(record: UploadRecord, parts: readonly string[] | null): HookUpload {
  return { ...record, fields: fieldsOf(record.metadata), parts: parts && [...parts] }
}

/** What a hook is called with. */
export function hookCall<E extends HookEvent>(
  event: E,
  upload: HookUpload,
  request: HookRequest | null,
  firstBytes: Uint8Array = NO_BYTES,
): HookCall<E> {
  return { event, upload, request, firstBytes }
}
