import type { SavedDigest } from '../model/saved-digest.js'
import type { NewFinal } from '../model/shared-finals.js'

/** An object that has the bytes of an upload from `position` on; as many as `bytes` count. */
export interface Tail {
  readonly key: string
  readonly etag: string
  readonly position: number
  readonly bytes: number
}

/** A part of the multipart upload that is not completed. */
export interface Part {
  readonly number: number
  readonly position: number
  readonly bytes: number
  readonly etag: string
}

/** The object under the upload's own key: its first bytes, or all of them. */
export interface Base {
  readonly etag: string
  /** How many of its bytes count. */
  readonly bytes: number
  /** How many it has: more than count after a cut. */
  readonly objectBytes: number
}

/** A multipart upload that was begun and is not completed. */
export interface Multipart {
  readonly id: string
  /** A word of our own that the completed object has in its metadata: by it an object is known as made by this upload. */
  readonly mark: string
}

/** Where the bytes of an upload are: a base, behind it the parts of a multipart upload, behind them tails. */
export interface Layout {
  readonly base: Base | null
  readonly multipart: Multipart | null
  /** In order, without gaps. */
  readonly parts: readonly Part[]
  /** In order. The first one may begin before the parts end. */
  readonly tails: readonly Tail[]
}

/** What the ledger keeps of an upload. */
export interface Kept extends Layout {
  readonly id: string
  /** The text of the sidecar. */
  readonly facts: string
  /** The fencing token of a writer that may have a part under way, from before its first part to the end of its body. */
  readonly sender: number | null
  /** The digest of stored bytes; null where no state that can be loaded elsewhere was saved. */
  readonly digest: SavedDigest | null
  /** When bytes were last stored; milliseconds since 1970. */
  readonly storedAtMs: number
}

/** What a write changes; what it does not name stays. */
export interface Change {
  readonly facts?: string
  readonly base?: Base | null
  readonly multipart?: Multipart | null
  readonly tails?: readonly Tail[]
  /** One more part. */
  readonly part?: Part
  /** Parts with higher numbers do not count any more; not beside `part`. */
  readonly lastPart?: number
  readonly sender?: number | null
  readonly digest?: SavedDigest | null
  /** Bytes were stored or removed. */
  readonly bytesChanged?: boolean
  /** The upload is finished; a final one needs its parts no longer. */
  readonly isFinished?: boolean
}

/** A new final upload, which needs its parts from the moment at which it is there. */
export interface NeedingFinal extends NewFinal {
  readonly parts: readonly string[]
}

/** What the bucket had of an upload that is being removed. */
export interface Removed {
  readonly id: string
  readonly multipart: Multipart | null
  readonly tails: readonly Tail[]
}

/**
 * What is known of uploads beside the bucket: facts, and where bytes are. All of it is in PostgreSQL. Every call is one
 * statement, done as a whole or not at all, and rejects with SqlError.
 */
export interface Ledger {
  /**
   * Adds an upload without bytes; false where the id exists, or where the token is not that of the upload's lock any more.
   * Rejects with part_unknown where a part of a final upload is not there any more.
   */
  create(id: string, facts: string, token: number, final?: NeedingFinal): Promise<boolean>
  /** What is kept of an upload; undefined where there is none, or where it is being removed. */
  find(id: string): Promise<Kept | undefined>
  /** The same of several uploads; those that are not kept are left out. */
  findAll(ids: readonly string[]): Promise<readonly Kept[]>
  /** Changes an upload; false where another writer has taken it over, or where it is gone. */
  write(id: string, token: number, change: Change): Promise<boolean>
  /**
   * Tells whether the upload was last written by this node, or read by it under the upload's lock; asked under the lock,
   * before anything else. From then on it counts as read.
   */
  isAsLeft(id: string): Promise<boolean>
  /** From now on the upload counts as written by another node, until it is read again under its lock. */
  disown(id: string): void
  /** The ids of uploads from a day on, newest day first, after `after`. Those that are being removed have no bytes. */
  page(
    fromDay: string,
    after: string | null,
    most: number,
  ): Promise<readonly { readonly id: string; readonly isRemoved: boolean }[]>
  /**
   * From here on these uploads are gone; gives what the bucket has of them. Those that another writer has taken over stay;
   * `tokens` are in the order of `ids`.
   */
  beginRemoval(ids: readonly string[], tokens: readonly number[]): Promise<readonly Removed[]>
  /** Ends the removal of uploads that `beginRemoval` was called for. */
  endRemoval(ids: readonly string[]): Promise<void>
  /** Those of these uploads whose removal has begun, and has not come to its end. */
  halfRemoved(ids: readonly string[]): Promise<ReadonlySet<string>>
}

/** How many bytes are stored. */
export function storedBytesOf({ base, parts, tails }: Layout): number {
  const tail = tails.at(-1)
  return tail ? tail.position + tail.bytes : endOfParts({ base, parts })
}

/** Tells whether all of an upload of this length is one object, and nothing else belongs to it. */
export function isOneObject({ base, multipart, parts, tails }: Layout, length: number | null): boolean {
  return (
    base?.bytes === length && base.objectBytes === length && !multipart && parts.length + tails.length === 0
  )
}

/** Where the parts end, and what is behind them begins. */
export function endOfParts({ base, parts }: Pick<Layout, 'base' | 'parts'>): number {
  const part = parts.at(-1)
  return part ? part.position + part.bytes : (base?.bytes ?? 0)
}
