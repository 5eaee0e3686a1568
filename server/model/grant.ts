/** What stays with an upload of the grant that created it. */
export interface GrantTerms {
  readonly id: string
  /** The types that are accepted, beside what the server accepts; null for no further limit. */
  readonly accept: readonly string[] | null
  /** Bytes; null for no further limit. */
  readonly maxSize: number | null
}

/** Leave to create uploads within limits; the server has signed it. */
export interface Grant extends GrantTerms {
  /** Seconds since 1970. */
  readonly expiresAt: number
  /** Who owns what is created; null for nobody. */
  readonly owner: string | null
  /** How many uploads; null for no limit. */
  readonly count: number | null
  /** Values of Upload-Metadata that a client cannot change. */
  readonly metadata: Readonly<Record<string, string>>
}

/** The bytes that an upload may have at most. */
export function mostBytesOf({ grant }: { readonly grant: GrantTerms | null }, maxSizeBytes: number): number {
  return Math.min(maxSizeBytes, grant?.maxSize ?? maxSizeBytes)
}
