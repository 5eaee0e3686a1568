import type { StoredFacts } from '../../server/model/upload-facts.js'
import { StoredUpload } from '../../server/uploads/upload.js'
import type { MemoryStorage } from './memory-storage.js'

/** The facts of an upload of ten bytes that has none yet, with these changes. */
export function factsOf(id: string, changes: Partial<StoredFacts> = {}): StoredFacts {
  return {
    id,
    createdAt: new Date().toISOString(),
    owner: null,
    grant: null,
    touchedAtMs: Date.now(),
    length: 10,
    offset: 0,
    metadata: null,
    filename: null,
    declaredType: null,
    type: null,
    concat: null,
    parts: null,
    checkpoints: [],
    verifiedTo: null,
    sha256: null,
    finishedAt: null,
    joinedAt: null,
    terminatedAt: null,
    expireAfterMs: null,
    isCurrent: true,
    ...changes,
  }
}

/** An upload in memory that has these facts. */
export function uploadOf(id: string, changes: Partial<StoredFacts> = {}): StoredUpload {
  return new StoredUpload(factsOf(id, changes), `memory/${id}`)
}

/** Puts an upload into a storage, as a server before this one left it. */
export function keep(storage: MemoryStorage, upload: StoredUpload, bytes: string | Uint8Array): void {
  storage.uploads.set(upload.id, {
    bytes: Buffer.from(bytes),
    facts: upload.toFacts(),
    storedAtMs: upload.touchedAtMs,
    boot: upload.saves.isCurrent ? storage.boot : 0,
  })
}

/** A memory engine for tests that append nothing. */
export const noBlocks = (): Uint8Array => new Uint8Array()
