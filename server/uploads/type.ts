import { open } from 'node:fs/promises'
import { UploadError } from '../errors.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'

/**
 * The type of an upload by its first bytes: decided at 512 bytes, or at the end of a shorter upload;
 * null while there are too few. `offset` is where the upload will stand with these bytes.
 * What was seen is noted as the upload's type. Rejects with type_refused, whose sentence is for the client
 * and the record.
 */
export async function typeOf(
  upload: Pick<StoredUpload, 'length' | 'declaredType' | 'filename' | 'type'>,
  head: Uint8Array,
  offset: number,
  tools: Pick<StorageTools, 'sniff' | 'sniffBytes'>,
): Promise<string | null> {
  const whole = upload.length === offset
  if (head.length < tools.sniffBytes && !whole) return null
  const { declaredType, filename } = upload
  const verdict = await tools.sniff({ head, whole: whole && head.length === offset, declaredType, filename })
  upload.type = verdict.type
  if (!verdict.accepted) throw new UploadError('type_refused', { sentence: verdict.reason })
  return verdict.type
}

/** The first bytes of an upload that are stored already; needed only while its type is not decided. */
export async function storedHead(
  upload: { readonly offset: number; readonly paths: { readonly file: string } },
  sniffBytes: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(upload.offset, sniffBytes))
  if (bytes.length === 0) return bytes
  const file = await open(upload.paths.file, 'r')
  try {
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
