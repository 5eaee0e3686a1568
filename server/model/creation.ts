/** What Upload-Metadata says of a file. */
export interface FileFacts {
  /** Upload-Metadata as it was sent. */
  readonly metadata: string | null
  readonly filename: string | null
  readonly declaredType: string | null
}

/** Upload-Concat of a creation: a partial upload, or a final one of these parts, in order. */
export interface Concat {
  /** The header as it was sent. */
  readonly header: string
  /** The ids of a final upload's parts; null for a partial one. */
  readonly parts: readonly string[] | null
  /** The network address that asks. Limits that clients share are counted for each address. */
  readonly client: string
}

/** What a creation says of its upload. */
export interface Creation extends FileFacts {
  readonly concat: Concat | null
  /** Milliseconds without new bytes after which it expires, where a hook says so; null: `--expire-after`. */
  readonly expireAfterMs: number | null
}
