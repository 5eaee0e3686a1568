import type { UploadFacts } from '../../server/model/upload-facts.js'

/** One upload. */
export interface Kept {
  /** Null where they are gone. */
  bytes: Buffer | null
  /** Null where they are torn. */
  facts: UploadFacts | null
  storedAtMs: number
  /** The boot in which the facts were saved. */
  boot: number
}

/** What outlives an engine in memory, as a disk outlives a process. */
export class MemoryStorage {
  readonly uploads = new Map<string, Kept>()
  /** Another number after each crash of the machine. */
  boot = 1
}
