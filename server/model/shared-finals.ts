/** How much of something there is: of all clients together, and of one. */
export interface Held {
  readonly all: number
  readonly own: number
}

/** What a storage that several nodes share keeps of a new final upload, beside its facts. */
export interface NewFinal {
  /** The same for the same request; see finalKey. */
  readonly key: string
  /** The network address that asked for it. */
  readonly client: string
}

/**
 * The final uploads of all nodes that share a storage. One is open from its creation until it is finished or removed,
 * and becomes so in the same step as that. Every function rejects where the storage cannot be asked.
 */
export interface SharedFinals {
  /** Those of these parts that an open final upload names. */
  needed(parts: readonly string[]): Promise<ReadonlySet<string>>
  /**
   * Those of these parts that no open final upload names. From here on they are gone for all nodes: no final upload can be
   * made of them any more. The caller holds their locks, and removes them.
   */
  giveUp(parts: readonly string[]): Promise<ReadonlySet<string>>
  /** The ids of the open final uploads that name a part. */
  naming(part: string): Promise<readonly string[]>
  /** The newest final upload of a key, open or finished. */
  madeBy(key: string): Promise<string | undefined>
  /** How many are open, and how many parts these name. */
  held(client: string): Promise<{ readonly finals: Held; readonly names: Held }>
}
