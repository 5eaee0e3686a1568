/** Chunks may be text with empty lines: those are cut less often, since only the last chunk's line ends a body. */
const LEAST_CHUNKED_SLICE_BYTES = 1024
const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** Where the next slice of a body ends; `remainingBytes` are NaN for one in chunks. */
export function endOfBodySlice(bytes: Buffer, remainingBytes: number): number {
  if (remainingBytes > 0) return Math.min(remainingBytes, bytes.length)
  return endOfEmptyLine(bytes, LEAST_CHUNKED_SLICE_BYTES)
}

/** Where a head ends of which `begun` came before `bytes`; the length of `bytes` where it does not end there. */
export function endOfHead(bytes: Buffer, begun: string): number {
  const across = begun ? /\n\r?\n/.exec(begun + bytes.toString('latin1', 0, 2)) : null
  return across ? across.index + across[0].length - begun.length : endOfEmptyLine(bytes, 0)
}

/** The last bytes of a head, in which its empty line may begin; none where they are an empty line. */
export function startOfEmptyLine(bytes: Buffer, begun: string): string {
  const last = begun + bytes.toString('latin1', Math.max(0, bytes.length - 3))
  return /\n\r?\n$/.test(last) ? '' : last.slice(-2)
}

function endOfEmptyLine(bytes: Buffer, leastBytes: number): number {
  for (let at = bytes.indexOf(LINE_FEED, leastBytes); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) {
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
