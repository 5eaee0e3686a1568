/** A digest that a client sent; lower-case hex. */
export interface Checksum {
  readonly algorithm: string
  readonly digest: string
}

/** A checksum that is known once the body has ended. */
interface LateChecksum {
  /**
   * The checksum; null for one that counts as none. Throws checksum_invalid where the trailer has none that can
   * be read, and where there are two.
   */
  sent(): Checksum | null
  /** Tells whether it is the checksum of no bytes, or counts as none. Throws as `sent` does. */
  isOfNothing(): boolean
}

/** A checksum that the headers send or announce: no byte of the body counts before it is verified. */
export interface ExpectedChecksum extends LateChecksum {
  /** The algorithms to compute: one, or all of them where only the trailer will name it. */
  readonly algorithms: readonly string[]
}

/** A checksum in a trailer that no header announced: bytes count as they come, and are verified at the end. */
export interface UnannouncedChecksum extends LateChecksum {
  /** Tells whether the body has ended and its trailer has one. */
  hasCome(): boolean
}
