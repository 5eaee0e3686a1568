/** Bytes of a file; `to` is the first behind them. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** More ranges than this are ignored: the client gets the whole file. */
const MOST_RANGES = 16

/**
 * The ranges that a Range header asks for (RFC 9110, section 14.1.2), in its order. Undefined where the header is
 * ignored and the whole file is sent: for another unit, for a repeated header, for more than 16 ranges, and for ranges
 * that overlap so much that they have more bytes than the file. 'none' where it asks for no byte that the file has, or is malformed.
 */
export function rangesOf(header: string, length: number): readonly ByteRange[] | 'none' | undefined {
  const [, set] = /^bytes=(.+)$/is.exec(header) ?? []
  // Node joins repeated headers, which leaves a second unit in the list.
  if (set === undefined || set.includes('=')) return undefined
  const ranges: ByteRange[] = []
  let bytes = 0
  for (const text of set.split(',')) {
    // A list may have empty elements (RFC 9110, section 5.6.1.2).
    if (text.trim() === '') continue
    const range = rangeOf(text.trim(), length)
    if (range === undefined) return 'none'
    // An empty file has no range, and clients ask for its beginning like for that of any other.
    if (length === 0 && range.from === 0) return undefined
    if (range.from >= range.to) continue
    if (ranges.length === MOST_RANGES) return undefined
    ranges.push(range)
    bytes += range.to - range.from
  }
  if (ranges.length === 0) return 'none'
  return bytes > length ? undefined : ranges
}

/** One range, which may have no byte; undefined where it is malformed. */
function rangeOf(text: string, length: number): ByteRange | undefined {
  const [, first = '', last = '', suffix] = /^(?:(\d+)[ \t]*-[ \t]*(\d*)|-(\d+))$/.exec(text) ?? []
  if (suffix !== undefined) return { from: Math.max(0, length - Number(suffix)), to: length }
  if (first === '') return undefined
  return { from: Number(first), to: last === '' ? length : Math.min(length, Number(last) + 1) }
}
