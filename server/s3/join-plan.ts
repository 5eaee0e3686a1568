import { LEAST_PART_BYTES } from './part-size.js'

/** An object that has bytes of a part of a final upload, or a range of one. */
export interface Source {
  readonly key: string
  readonly etag: string
  /** Where its bytes begin in the object. */
  readonly from: number
  readonly bytes: number
}

/**
 * What is done with the next bytes of a final upload: S3 copies them into a part of this number; or they are gathered, and
 * with them those that were gathered before become a part, where a number is given.
 */
export type JoinStep =
  | { readonly kind: 'copy'; readonly number: number; readonly source: Source }
  | { readonly kind: 'gather'; readonly bytes: number; readonly number: number | null }

/** No copy is larger, so that those of a large object run at once. */
const MOST_COPIED_BYTES = 1024 * 1024 * 1024
/** The least that is made a part is doubled after so many: with 5 TiB there are fewer than 10,000 parts. */
const DOUBLED_AFTER = 900

/** Divides the bytes of a final upload into what S3 can copy, and what is too small for that. */
export class JoinPlan {
  #number = 1
  #gathered = 0

  /** The number of the next part. */
  get next(): number {
    return this.#number
  }

  /** Bytes that are gathered and have no number yet: the last part, if nothing follows. */
  get gathered(): number {
    return this.#gathered
  }

  /** The steps for the next bytes, which stand in these objects. */
  steps(sources: readonly Source[]): JoinStep[] {
    return sources.filter(({ bytes }) => bytes > 0).flatMap((source) => this.#stepsOf(source))
  }

  #stepsOf(source: Source): JoinStep[] {
    const least = this.#least
    if (this.#gathered === 0 && source.bytes >= least) return this.#copies(source)
    const wanted = Math.min(source.bytes, Math.max(0, least - this.#gathered))
    const left = source.bytes - wanted
    // What is left would be too small to be copied.
    const bytes = left < least ? source.bytes : wanted
    this.#gathered += bytes
    const isFull = this.#gathered >= least
    const gather: JoinStep = { kind: 'gather', bytes, number: isFull ? this.#number : null }
    if (!isFull) return [gather]
    this.#number += 1
    this.#gathered = 0
    if (bytes === source.bytes) return [gather]
    return [gather, ...this.#stepsOf({ ...source, from: source.from + bytes, bytes: source.bytes - bytes })]
  }

  #copies(source: Source): JoinStep[] {
    const pieces = Math.ceil(source.bytes / Math.max(MOST_COPIED_BYTES, 2 * this.#least))
    // Of one size, so that the last one is not too small.
    const each = Math.ceil(source.bytes / pieces)
    return Array.from({ length: pieces }, (_, i): JoinStep => {
      const [from, to] = [i * each, Math.min(source.bytes, (i + 1) * each)]
      this.#number += 1
      const piece = { ...source, from: source.from + from, bytes: to - from }
      return { kind: 'copy', number: this.#number - 1, source: piece }
    })
  }

  get #least(): number {
    return LEAST_PART_BYTES * 2 ** Math.floor(this.#number / DOUBLED_AFTER)
  }
}
