import type { Block } from './body.js'
import type { Checkpoint } from './checkpoint.js'
import type { NewFinal, SharedFinals } from './shared-finals.js'
import type { StoredFacts, UploadFacts } from './upload-facts.js'

/**
 * What is stored of an upload. `torn`: there are bytes, but no facts that can be read. `foreign`: the facts are of
 * another version of Lading, and nothing of the upload may be touched.
 */
export type Loaded =
  | { readonly kind: 'missing' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'torn'; readonly storedBytes: number; readonly touchedAtMs: number }
  | { readonly kind: 'upload'; readonly facts: StoredFacts; readonly storedBytes: number }

/**
 * One thing that is stored: an upload's bytes, its facts, or what a write of facts leaves while it runs.
 * After a crash facts may be left without bytes, and a `temporary` one without a writer.
 */
export interface Entry {
  readonly id: string
  readonly kind: 'bytes' | 'facts' | 'temporary'
}

/** Which digest is asked for with bytes: none, that of all bytes so far, or the last one, which ends the rolling digest. */
export type DigestDue = 'none' | 'prefix' | 'final'

/** Blocks of one body, in order. */
export interface AppendedBlocks {
  readonly blocks: readonly Block[]
  /** Where they go: the bytes that are stored before them. */
  readonly position: number
  readonly digest: DigestDue
  /** `commit` or `rollBack` follows, or may follow. */
  readonly isChecked: boolean
  /** The algorithms of Upload-Checksum to compute beside the writing; empty for none. */
  readonly algorithms: readonly string[]
  /** They are the first ones of the body. */
  readonly begins: boolean
  /** They are the last ones of the body. */
  readonly ends: boolean
  /** Nothing follows in this request: what was written is compared with what is stored, and the file is closed. */
  readonly closes: boolean
}

export interface Digested {
  /** The rolling digest covers all bytes that count now. */
  readonly live: boolean
  /** Lower-case hex, where it was asked for and the rolling digest is live. */
  readonly sha256: string | null
}

export interface Appended extends Digested {
  /** The checksums of the body by algorithm, lower-case hex, once it ends; null before, and where they were lost. */
  readonly checksums: Readonly<Record<string, string>> | null
}

export interface CheckpointOptions {
  /** The facts are flushed; with `bytes` the upload's bytes are flushed before them. */
  readonly durable: boolean
  readonly bytes: boolean
  /** The upload is finished by these facts: so many bytes must be stored, and its file is closed. */
  readonly finishedBytes?: number
  /** The facts are not stored before this resolves; the bytes may be flushed beside it. Rejects as it does. */
  readonly after?: Promise<void>
}

/** Bytes of a part, from `from` on, that stand in the final upload from `position` on. */
export interface JoinedPiece {
  readonly position: number
  readonly part: string
  readonly from: number
  readonly bytes: number
  readonly checkpoints?: readonly Checkpoint[] | undefined
}

/** Reads a range of an upload's bytes in order, then perhaps another range. It also works after the upload was removed. */
export interface RangeReader {
  /**
   * The next piece of at most `mostBytes`; undefined at the end of the range, or of what is stored. The piece is good
   * until the second call after it, so that the next one can be read while it is sent. One call at a time.
   */
  next(mostBytes: number): Promise<Uint8Array | undefined>
  /** Goes on with another range, while no call runs. */
  goTo(range: { readonly from: number; readonly to: number }): void
  /** Gives back what reading holds; needed on every path. */
  close(): Promise<void>
}

/**
 * Where uploads are stored: bytes, the facts beside them, and the rolling digests of unfinished ones. It works by
 * upload, never by path. Except for reading, the caller holds the upload's lock.
 *
 * Every function rejects with the system's error, and with BytesFault where the stored bytes are gone or are not as
 * they were left. Facts are given as a function: it is called once, at the moment they are written.
 */
export interface Engine {
  /** Null where one process alone has the storage: it remembers its final uploads by itself. */
  readonly finals: SharedFinals | null
  /**
   * Stores a new upload that has no bytes, all of it or nothing. Rejects where the id exists. `final` is needed for a final
   * upload where there are `finals`: its parts are needed from then on. Rejects with part_unknown where one is gone.
   */
  create(
    id: string,
    facts: () => UploadFacts,
    options: { readonly durable: boolean; readonly final?: NewFinal | undefined },
  ): Promise<void>
  /** What is stored of an upload; changes nothing. */
  load(id: string): Promise<Loaded>
  /** Tells whether an upload's bytes are stored. */
  has(id: string): Promise<boolean>
  /** How many bytes are stored, undefined for none, and whether there are facts beside them. */
  measure(id: string): Promise<{ readonly storedBytes: number | undefined; readonly hasFacts: boolean }>
  /**
   * Everything that is stored, newest day first and then what was adopted, in batches. From the day `YYYY/MM/DD` on
   * where one is given, without what was adopted: none of that is new.
   */
  list(fromDay?: string): AsyncIterable<readonly Entry[]>
  /** Where outside tools find an upload's bytes: its record's `path`. */
  addressOf(id: string): string

  /**
   * Begins a body at `offset`, before any of it is read: what its bytes need is held from here on. Waits for what is
   * scarce for ten seconds, or until `isOver`. Rejects with BytesFault where another number of bytes is stored.
   */
  open(id: string, offset: number, isOver: () => boolean): Promise<void>
  /**
   * Stores blocks, all or none, and takes them into the rolling digest. The blocks are the caller's again afterwards.
   * Begins the body where `open` has not. Rejects with BytesFault where another number of bytes is stored than
   * `position`.
   */
  append(id: string, appended: AppendedBlocks): Promise<Appended>
  /** Lets the bytes of a checked body count. */
  commit(id: string, due: { readonly digest: DigestDue }): Promise<Digested>
  /** Removes the bytes of a checked body, which began at `offset`. */
  rollBack(id: string, to: { readonly offset: number }): Promise<Digested>
  /** The checksum of stored bytes, lower-case hex. */
  checksum(
    id: string,
    of: { readonly from: number; readonly to: number; readonly algorithm: string },
  ): Promise<string>
  /** Ends a body whose end did not come; nothing happens where none is open. */
  close(id: string): Promise<void>

  /** Replaces an upload's facts, all of them or nothing. */
  checkpoint(id: string, facts: () => UploadFacts, options: CheckpointOptions): Promise<void>
  /** Gives stored bytes their facts back, flushed. Of an unfinished upload none of these bytes counts. */
  restore(id: string, facts: UploadFacts): Promise<void>
  /** Flushes an upload's bytes. */
  flush(id: string): Promise<void>
  /** Cuts an upload to so many bytes. Rejects with BytesFault where fewer are stored. */
  truncate(id: string, bytes: number): Promise<void>

  /** Reads on from where the rolling digest stands, at most `budgetBytes`, and compares with checkpoints on the way. */
  prove(
    id: string,
    range: { readonly to: number; readonly checkpoints: readonly Checkpoint[]; readonly budgetBytes: number },
  ): Promise<{
    /** How far the rolling digest reaches now. */
    readonly offset: number
    /** The last checkpoint that matched before one that did not; null while all match. */
    readonly damagedAfter: number | null
  }>
  /** Ends the rolling digest where it stands at `offset`, and resolves with it, lower-case hex; null where it does not. */
  digest(id: string, offset: number): Promise<string | null>
  /** Drops an upload's rolling digest, and the body that is open. */
  forget(id: string): Promise<void>

  /**
   * Appends bytes of a part to a final upload, and takes them into its digest. Resolves with the milliseconds of work. Each
   * part is joined from its first byte to its last, in pieces; what was joined may be read once the upload is finished.
   * With `checkpoints` of the part, its bytes are compared with them on the way; rejects with PartDamaged where they differ.
   */
  join(id: string, piece: JoinedPiece): Promise<number>
  /**
   * Begins to read bytes from `from` to `to`. Waits for what is scarce where `isOver` is given, until that is true.
   * Rejects with BytesFault where the upload is gone.
   */
  read(
    id: string,
    range: { readonly from: number; readonly to: number },
    isOver?: () => boolean,
  ): Promise<RangeReader>

  /** Removes uploads, the bytes of each before its facts; one that is not there is no error. */
  remove(ids: readonly string[], options: { readonly durable: boolean }): Promise<void>
  /** Tells whether an entry is what a crash left. While a write of facts runs, so does a `temporary` one look. */
  isLeftover(entry: Entry): Promise<boolean>
  /** Removes what a crash left. */
  removeLeftover(entry: Entry): Promise<void>

  /** Tells whether there is no room for `bytes` more in running uploads, or for so many new uploads. */
  isFull(bytes?: number, uploads?: number): Promise<boolean>
  /** Waits for what runs, and ends the engine. */
  end(): Promise<void>
}
