import { createHash } from 'node:crypto'
import { UploadError } from '../../server/errors.js'
import type { Arena } from '../../server/intake/arena.js'
import type { BlockSink, Body, BodyEnd } from '../../server/model/body.js'
import type { Creation } from '../../server/model/creation.js'
import type { UploadFacts } from '../../server/model/upload-facts.js'
import { MemoryEngine } from './memory-engine.js'
import { MemoryStorage } from './memory-storage.js'
import { noBlocks } from './stored-upload.js'

/** An id whose last digit tells the uploads of a test apart. */
export const idOf = (digit: string): string => `20261125-${digit.padStart(32, 'a')}`

export const silent = { info: () => {}, warn: () => {}, error: () => {} }

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Types as a fake sees them: one that begins with `!` is refused. */
export const TYPES = {
  sniffBytes: 4,
  hooks: null,
  traces: null,
  sniff: async ({ head }: { readonly head: Uint8Array }) =>
    head[0] === 33
      ? { accepted: false as const, type: 'text/x-refused', reason: 'It begins with an exclamation mark.' }
      : { accepted: true as const, type: 'text/plain' },
}

/** An engine in memory, and the bytes and facts that it has. */
export function storageWith(uploads: Readonly<Record<string, string>> = {}) {
  const storage = new MemoryStorage()
  for (const [id, bytes] of Object.entries(uploads))
    storage.uploads.set(id, { bytes: Buffer.from(bytes), facts: null, storedAtMs: 0, boot: 1 })
  const textOf = (id: string): string | undefined => storage.uploads.get(id)?.bytes?.toString()
  const factsOf = (id: string): UploadFacts | null => storage.uploads.get(id)?.facts ?? null
  return { engine: new MemoryEngine(noBlocks, storage), storage, textOf, factsOf }
}

/** The code word of the error with which a promise rejects, or its message; 'none' where it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof UploadError ? error.code : String(error)
  }
}

/** A body of these bytes, which come at once in one block and end so. */
export function bodyOf(arena: Arena, text: string, end: BodyEnd): Body {
  const drain = async (sink: BlockSink, roomBytes: number): Promise<BodyEnd> => {
    const fitting = text.slice(0, roomBytes)
    const index = fitting === '' ? undefined : arena.take()
    const blocks = index === undefined ? [] : [{ index, bytes: fitting.length }]
    try {
      if (index !== undefined) arena.fill(index, 0, Buffer.from(fitting))
      await sink.write(blocks, true)
    } finally {
      if (index !== undefined) arena.give(index)
    }
    return fitting.length < text.length ? 'overrun' : end
  }
  return { isStopped: false, drain, stop: () => {} }
}

/** What a test calls by mistake. */
export async function never(): Promise<never> {
  throw new Error('this is not to be called')
}

/** A creation that says nothing of its file. */
export const PLAIN: Creation = {
  metadata: null,
  filename: null,
  declaredType: null,
  concat: null,
  expireAfterMs: null,
}
