import type { Checkpoint } from '../model/checkpoint.js'
import type { DigestDue, Digested } from '../model/engine.js'
import type { SavedDigest } from '../model/saved-digest.js'

/**
 * The threads that write and digest, as far as the scratch folder needs them; `server/files/writer.ts` is one. It works
 * with files whose bytes stand where they stand in the upload: what is before them is a hole. The last name of each path
 * is the upload's id. Tasks of the same upload are done in the order asked.
 */
export interface SpoolWriter {
  readonly backlogBytes: number
  /** Opens a file that is `bytes` long, until `closeFile`; waits for a descriptor until `isOver`. */
  open(file: { id: string; path: string; bytes: number }, isOver: () => boolean): Promise<void>
  /** Writes and digests blocks, all or none; the file must end at `position`. */
  append(task: {
    id: string
    path: string
    position: number
    /** Index and filled bytes of each block, in turn. */
    blocks: readonly number[]
    digest: DigestDue
    isChecked: boolean
    begins: boolean
    /** The file is compared with what was written. */
    rests: boolean
  }): Promise<Digested>
  closeFile(id: string): Promise<void>
  /** Takes blocks into the checksums of a body; resolves with them once it ends. */
  check(task: {
    id: string
    blocks: readonly number[]
    algorithms: readonly string[]
    begins: boolean
    ends: boolean
  }): Promise<Record<string, string> | null>
  /** The digest of a range of a file, lower-case hex. */
  digestStored(range: {
    id: string
    path: string
    from: number
    to: number
    algorithm: string
  }): Promise<string>
  /** Lets the bytes of a checked body count, and closes the file. */
  commit(task: { id: string; path: string; digest: DigestDue }): Promise<Digested>
  /** Cuts the file to `offset`, makes the digest what it was before a checked body, and closes the file. */
  rollBack(task: { id: string; path: string; offset: number }): Promise<Digested>
  /** Reads on from where the digest stands, and compares with checkpoints. In the file the bytes stand `shift` before. */
  prove(task: {
    id: string
    path: string
    to: number
    checkpoints: readonly Checkpoint[]
    budgetBytes: number
    shift?: number
  }): Promise<{ readonly offset: number; readonly damagedAfter: number | null }>
  /**
   * Resolves with the offset of the digest of an upload with `to` bytes. A `saved` digest that is further replaces it,
   * if it loads and equals `sha256`, where given. Without a digest, one whose state can be saved begins at byte 0.
   */
  resume(task: {
    id: string
    saved: SavedDigest | null
    sha256: string | null
    to: number
  }): Promise<{ readonly offset: number; readonly isMovable: boolean }>
  /** The state of the digest; null where there is none, or where it cannot be saved. */
  saveDigest(id: string): Promise<SavedDigest | null>
  /** Ends the digest where it stands at `offset`. */
  digest(task: { id: string; offset: number }): Promise<string | null>
  truncate(task: { id: string; path: string; length: number }): Promise<void>
  /** Drops an upload's digest and checksums, and closes its file. */
  forget(id: string): Promise<void>
  close(): Promise<void>
}
