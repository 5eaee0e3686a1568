import { createHash } from 'node:crypto'
import { systemCodeOf, UploadError } from '../../server/errors.js'
import type { Appended, AppendedBlocks, Engine } from '../../server/model/engine.js'
import type { UploadFacts } from '../../server/model/upload-facts.js'
import type { EnginePlace } from './engine-place.js'
import { uploadOf } from './stored-upload.js'

const BATCH_BLOCKS = 8

/** Creates an upload of so many bytes. */
export async function createUpload(
  engine: Engine,
  id: string,
  length: number,
  change: Partial<UploadFacts> = {},
): Promise<void> {
  await engine.create(id, () => ({ ...uploadOf(id, { length }).toFacts(), ...change }), { durable: true })
}

/** Appends bytes in batches of blocks, as a body does, and resolves as the last one; `change` is that of the whole. */
export async function appendBytes(
  { arena, engine }: Pick<EnginePlace, 'arena' | 'engine'>,
  id: string,
  position: number,
  bytes: Buffer,
  change: Partial<Pick<AppendedBlocks, 'begins' | 'ends' | 'closes' | 'digest' | 'isChecked'>> = {},
): Promise<Appended | undefined> {
  const { begins = true, ends = true, closes = true, digest = 'none', isChecked = false } = change
  let last: Appended | undefined
  const batchBytes = BATCH_BLOCKS * arena.blockBytes
  for (let from = 0; from === 0 || from < bytes.length; from += batchBytes) {
    const batch = bytes.subarray(from, from + batchBytes)
    const isLast = from + batch.length === bytes.length
    const blocks = Array.from({ length: Math.ceil(batch.length / arena.blockBytes) }, (_, i) => {
      const piece = batch.subarray(i * arena.blockBytes, (i + 1) * arena.blockBytes)
      const index = arena.take() ?? 0
      arena.fill(index, 0, piece)
      return { index, bytes: piece.length }
    })
    try {
      last = await engine.append(id, {
        ...{ blocks, position: position + from, isChecked, algorithms: [] },
        ...{ begins: begins && from === 0, ends: ends && isLast, closes: closes && isLast },
        digest: isLast ? digest : 'none',
      })
    } finally {
      for (const { index } of blocks) arena.give(index)
    }
  }
  return last
}

/** Sends bytes as one body, whose end stores them; the last body of an upload is left to `finishUpload`. */
export async function sentBytes(
  place: Pick<EnginePlace, 'arena' | 'engine'>,
  id: string,
  bytes: Buffer,
  position = 0,
  isLast = false,
): Promise<void> {
  if (position > 0) await place.engine.open(id, position, () => true)
  await appendBytes(place, id, position, bytes, { closes: !isLast })
}

/** Finishes an upload of these bytes. */
export async function finishUpload(engine: Engine, id: string, bytes: Buffer): Promise<void> {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const facts = (): UploadFacts => ({
    ...uploadOf(id, { length: bytes.length }).toFacts(),
    ...{ sha256, finishedAt: new Date().toISOString() },
  })
  await engine.checkpoint(id, facts, { durable: true, bytes: true, finishedBytes: bytes.length })
}

/** So many stored bytes. */
export async function bytesOf(engine: Engine, id: string, bytes: number): Promise<Buffer> {
  const range = await engine.read(id, { from: 0, to: bytes })
  const pieces: Buffer[] = []
  try {
    for (let piece = await range.next(64 * 1024); piece; piece = await range.next(64 * 1024))
      pieces.push(Buffer.from(piece))
  } finally {
    await range.close()
  }
  return Buffer.concat(pieces)
}

const CODES = ['DAMAGED', 'REPLACED', 'MISSING']

/** What an act fails with: a code of BytesFault, or one of the table of errors. */
export async function faultOf(act: Promise<unknown>): Promise<string> {
  return act.then(
    () => 'none',
    (error: unknown) => {
      const code = systemCodeOf(error)
      if (CODES.includes(code)) return code
      return error instanceof UploadError ? error.code : String(error)
    },
  )
}
