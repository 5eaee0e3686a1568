import type { AccessRule } from '../model/principal.js'
import type { Checkpoint } from './settle.js'
import type { Unfinished } from './unfinished.js'
import type { UploadRow } from './upload.js'

/** The thread that writes and digests, as storage uses it; see the intake's DigestThread. */
export interface Thread {
  open(task: { path: string; bytes: number; headBytes: number }, isOver: () => boolean): Promise<Uint8Array>
  closeFile(id: string): Promise<void>
  append(task: {
    id: string
    path: string
    position: number
    blocks: readonly number[]
    digest: 'none' | 'prefix' | 'final'
    isChecked: boolean
    closes: boolean
    begins: boolean
  }): Promise<{
    live: boolean
    sha256: string | null
    error: { code: string; message: string } | null
  }>
  check(task: {
    id: string
    blocks: readonly number[]
    algorithms: readonly string[]
    begins: boolean
    ends: boolean
  }): Promise<Record<string, string> | null>
  digestStored(range: {
    id: string
    path: string
    from: number
    to: number
    algorithm: string
  }): Promise<string>
  settle(task: {
    id: string
    path: string
    base: number
    counts: boolean
    digest: 'none' | 'prefix' | 'final'
  }): Promise<{ live: boolean; sha256: string | null }>
  join(task: {
    id: string
    path: string
    position: number
    partPath: string
    from: number
    bytes: number
  }): Promise<number>
  prove(task: {
    id: string
    path: string
    to: number
    checkpoints: readonly Checkpoint[]
    budgetBytes: number
  }): Promise<{ offset: number; damagedAfter: number | null }>
  digest(task: { id: string; offset: number }): Promise<string | null>
  create(task: {
    path: string
    sidecarPath: string
    sidecarText: () => string
    durable: boolean
  }): Promise<void>
  replace(task: {
    path: string
    text: () => string
    durable: boolean
    bytesPath: string | null
    finishedBytes?: number
  }): Promise<void>
  truncate(task: { path: string; length: number }): Promise<void>
  remove(paths: readonly string[], durable?: boolean): Promise<void>
  flush(path: string): Promise<void>
  forget(id: string): Promise<unknown>
}

/** Decides by an upload's first bytes whether its type may come in; see hooks/types/sniff. */
export type Sniff = (input: {
  readonly head: Uint8Array
  readonly whole: boolean
  readonly declaredType: string | null
  readonly filename: string | null
}) => Promise<{ accepted: true; type: string } | { accepted: false; type: string; reason: string }>

/** Whether there is room on the disk for so many bytes more, and so many files; see Disk. */
export interface Room {
  isFull(addedBytes?: number, addedFiles?: number): Promise<boolean>
}

/** The log, as far as storage writes to it. */
export interface StorageLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What every part of storage is given. */
export interface StorageTools {
  readonly dataDir: string
  readonly thread: Thread
  readonly sniff: Sniff
  readonly sniffBytes: number
  /** A view of a block's first bytes. */
  readonly view: (index: number, bytes: number) => Uint8Array
  /** The record of an upload. Rejects where the database cannot be asked now. */
  readonly row: (id: string) => Promise<UploadRow | undefined>
  /** Every unfinished upload, with the time at which something is due with it. */
  readonly unfinished: Pick<Unfinished, 'admit' | 'set' | 'delete' | 'has'>
  /** Queues an upload's record, and notes one that is finished or removed; never waits. */
  readonly record: (row: UploadRow) => void
  /** Runs `work` when nobody else has the upload any more. Rejects with upload_locked, and as `work` does. */
  readonly underLock: (id: string, work: () => Promise<void>) => Promise<void>
  /** Tells whether bodies are being received now; joining gives way to them. */
  readonly isReceiving: () => boolean
  /** Tells whether a request, and not the server itself, holds an upload. */
  readonly isHeldByRequest: (id: string) => boolean
  /** Decides which uploads are there for a principal. */
  readonly mayAccess: AccessRule
  /** Tells whether a request holds or awaits an upload. */
  readonly isHeld: (id: string) => boolean
  readonly log: StorageLog
  /** The date, in milliseconds since 1970: for what is kept, and for what is compared with files. */
  readonly now: () => number
  /** Milliseconds of a clock that nobody sets: for how long something takes. */
  readonly monotonic: () => number
  readonly bootId: string
  readonly durability: 'off' | 'finish' | 'request'
  readonly expireAfterMs: number
  readonly keepPartialsMs: number
  readonly maxSizeBytes: number
  readonly disk: Room
}
