/** No request is shorter, so bytes are cut no finer. */
const LEAST_SLICE_BYTES = 16
/** Chunks may be text with empty lines: those are cut less often, since only the last chunk's line ends a body. */
const LEAST_CHUNKED_SLICE_BYTES = 1024
const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** Where the next slice of a body ends; `remainingBytes` are NaN for one in chunks. */
export function endOfBodySlice(bytes: Buffer, remainingBytes: number): number {
  if (Number.isNaN(remainingBytes)) return endOfHead(bytes, LEAST_CHUNKED_SLICE_BYTES)
  return remainingBytes > 0 ? Math.min(remainingBytes, bytes.length) : endOfHead(bytes)
}

/** Where the first empty line behind `leastBytes` ends; the length of `bytes` where there is none. */
export function endOfHead(bytes: Buffer, leastBytes = LEAST_SLICE_BYTES): number {
  for (let at = bytes.indexOf(LINE_FEED, leastBytes - 3); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) {
    if (bytes[at + 1] === LINE_FEED) return at + 2
    if (bytes[at + 1] === CARRIAGE_RETURN && bytes[at + 2] === LINE_FEED) return at + 3
  }
  return bytes.length
}

/** Where the empty lines at the start end, which may stand before a request (RFC 9112, section 2.2). */
export function endOfEmptyLines(bytes: Buffer): number {
  let at = 0
  for (;;) {
    if (bytes[at] === LINE_FEED) at += 1
    else if (bytes[at] === CARRIAGE_RETURN && bytes[at + 1] === LINE_FEED) at += 2
    else return at
  }
}

/** Tells whether bytes end with an empty line that is whole in them. */
export function endsEmpty(bytes: Buffer): boolean {
  if (bytes.at(-1) !== LINE_FEED) return false
  return bytes.at(-2) === LINE_FEED || (bytes.at(-2) === CARRIAGE_RETURN && bytes.at(-3) === LINE_FEED)
}
