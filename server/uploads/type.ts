import { UploadError } from '../errors.js'
import type { Engine } from '../model/engine.js'
import { BytesFault } from '../model/engine-error.js'
import { isRefusal } from '../model/refusal.js'
import type { StorageTools } from './tools.js'
import type { StoredUpload } from './upload.js'

/**
 * Decides the type of an upload by its first bytes: at 512 bytes, or at the end of a shorter upload; with fewer
 * nothing is decided. `offset` is the upload's offset with these bytes. Rejects with type_refused, whose sentence is
 * for the client and the record, and with upload_rejected; the type that was seen is noted also then. Rejects with
 * hook_failed where the hook could not be asked.
 */
export async function decideType(
  upload: StoredUpload,
  head: Uint8Array,
  offset: number,
  tools: Pick<StorageTools, 'sniff' | 'sniffBytes' | 'hooks'>,
): Promise<void> {
  const whole = upload.length === offset
  if (head.length < tools.sniffBytes && !whole) return
  const { declaredType, filename } = upload
  const accept = upload.grant?.accept ?? null
  const isWholeHead = whole && head.length === offset
  const verdict = await tools.sniff({ head, whole: isWholeHead, declaredType, filename, accept })
  try {
    if (!verdict.accepted) throw new UploadError('type_refused', { sentence: verdict.reason })
    upload.setType(tools.hooks ? await tools.hooks.acceptedType(upload, verdict.type, head) : verdict.type)
  } catch (error) {
    // Where a hook could not be asked the type is still due.
    if (isRefusal(error)) upload.setType(verdict.type)
    throw error
  }
}

/** The first bytes of an upload that are stored, at most `sniffBytes`; needed only while its type is not decided. */
export async function storedHead(
  { id, offset }: { readonly id: string; readonly offset: number },
  { engine, sniffBytes }: { readonly engine: Pick<Engine, 'read'>; readonly sniffBytes: number },
  isOver: () => boolean = () => false,
): Promise<Uint8Array> {
  if (offset === 0) return new Uint8Array()
  const range = await engine.read(id, { from: 0, to: Math.min(offset, sniffBytes) }, isOver)
  try {
    const pieces: Uint8Array[] = []
    for (let piece = await range.next(sniffBytes); piece; piece = await range.next(sniffBytes))
      pieces.push(Uint8Array.from(piece))
    const head = Buffer.concat(pieces)
    const wanted = Math.min(offset, sniffBytes)
    if (head.length < wanted)
      throw new BytesFault('DAMAGED', `${head.length} bytes are stored, not ${wanted}`)
    return head
  } finally {
    await range.close()
  }
}
