/** What is known of an upload when its first bytes have arrived. */
interface SniffInput {
  /** The first bytes of the upload: SNIFF_BYTES of them, or all of a shorter upload. */
  readonly head: Uint8Array
  /** Whether `head` is the whole upload. */
  readonly whole: boolean
  /** `filetype` of the client's metadata, unchanged. */
  readonly declaredType: string | null
  /** `filename` of the client's metadata, unchanged. */
  readonly filename: string | null
  /** A list of the upload's own, in the form of `--accept`, which counts beside the server's; null for none. */
  readonly accept: readonly string[] | null
}

/** The decision; `reason` is for the answer, the record and the log, and holds nothing that a client wrote. */
export type SniffVerdict =
  | { readonly accepted: true; readonly type: string }
  | { readonly accepted: false; readonly type: string; readonly reason: string }

/** Decides by an upload's first bytes whether it may come in, and the type it is kept under. */
export type Sniffer = (input: SniffInput) => Promise<SniffVerdict>
