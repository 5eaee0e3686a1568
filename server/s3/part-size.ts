const MIB = 1024 * 1024
/** S3's limits: a part that is not the last one has 5 MiB at least, and any has 5 GiB at most. */
export const LEAST_PART_BYTES = 5 * MIB
export const MOST_PART_BYTES = 5 * 1024 * MIB
/** S3's limit of parts. */
export const LAST_NUMBER = 10_000

/** Parts that an upload of a known length is divided into at most: some numbers stay free for copied parts. */
const PARTS_OF_A_LENGTH = 8_000
/** While the length is not known, the size of the parts is doubled after so many. */
const DOUBLED_AFTER = 900

/**
 * The bytes of the next part, which begins at `position` and has this number. It is `--s3-part-size`, or larger to
 * stay below the numbers above. All parts of one length have the same size, as some stores demand.
 */
export function partBytes(next: {
  readonly number: number
  readonly position: number
  readonly length: number | null
  readonly leastBytes: number
}): number {
  const { number, position, length, leastBytes } = next
  const needed =
    length === null
      ? leastBytes * 2 ** Math.floor(number / DOUBLED_AFTER)
      : Math.max(
          wholeMiB(length / PARTS_OF_A_LENGTH),
          wholeMiB((length - position) / Math.max(1, LAST_NUMBER - number + 1)),
        )
  return Math.min(MOST_PART_BYTES, Math.max(leastBytes, needed))
}

/** Pieces in which `bytes` of an object are copied into parts: several, so that they can be copied at once. */
export function copiedPieces(bytes: number): { readonly from: number; readonly to: number }[] {
  const most = Math.max(256 * MIB, wholeMiB(bytes / 1_200))
  const pieces = Math.ceil(bytes / most)
  // Of one size, so that the last one is not too small.
  const each = Math.ceil(bytes / Math.max(1, pieces))
  return Array.from({ length: pieces }, (_, i) => ({ from: i * each, to: Math.min(bytes, (i + 1) * each) }))
}

function wholeMiB(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB
}
