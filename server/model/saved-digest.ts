/** The state of a rolling digest, to go on from in another process. */
export interface SavedDigest {
  /** Bytes from the start of the upload that it covers. */
  readonly offset: number
  /** Base64, as the library saved it. It contains up to 63 of the upload's bytes. */
  readonly state: string
}
