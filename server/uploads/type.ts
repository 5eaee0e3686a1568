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

/** The first bytes of an upload that are stored, at most `sniffBytes`; needed only while its type is not decided. */
export async function storedHead(
  { id, offset }: { readonly id: string; readonly offset: number },
  { engine, sniffBytes }: Pick<StorageTools, 'engine' | 'sniffBytes'>,
): Promise<Uint8Array> {
  if (offset === 0) return new Uint8Array()
  const range = await engine.read(id, { from: 0, to: Math.min(offset, sniffBytes) })
  try {
    const pieces: Uint8Array[] = []
    for (let piece = await range.next(); piece; piece = await range.next())
      pieces.push(Uint8Array.from(piece))
    return Buffer.concat(pieces)
  } finally {
    await range.close()
  }
}
