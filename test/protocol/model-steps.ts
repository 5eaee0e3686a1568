import fc from 'fast-check'

/** One request, cut or kill; sizes in bytes, to be fitted to the upload as it is then. */
export type Step =
  /** A PATCH at the right offset whose body fits; `extra` writes bytes behind the declared body. */
  | { kind: 'patch'; bytes: number; chunked: boolean; extra: boolean }
  | { kind: 'wrong offset'; bytes: number; chunked: boolean; by: number }
  /** A PATCH that brings more than there is room for. */
  | { kind: 'overrun'; over: number; chunked: boolean }
  /** A PATCH of `bytes` of which `share` is sent before the connection ends. */
  | { kind: 'cut'; bytes: number; share: number; chunked: boolean; reset: boolean }
  | { kind: 'empty'; chunked: boolean }
  /** A PATCH with Upload-Length, `room` above the offset; below it where that is negative. */
  | { kind: 'declare'; room: number; bytes: number; chunked: boolean }
  /** A PATCH with Upload-Length whose body is longer than that. */
  | { kind: 'declare and overrun'; room: number; over: number; chunked: boolean }
  | { kind: 'head' }
  | { kind: 'delete' }
  /** kill -9 and a restart, while a PATCH of `bytes` runs of which `share` was sent. */
  | { kind: 'kill'; bytes: number; share: number }

export interface Story {
  /** Null for a deferred one. */
  readonly length: number | null
  readonly steps: readonly Step[]
}

export const MOST_BYTES = 2 ** 20

const BLOCK_BYTES = 256 * 1024
const SNIFF_BYTES = 512

// Sizes near the places where something changes: nothing, the 512 bytes of the type, a block, many blocks.
const bytes = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 3 }), weight: 2 },
  { arbitrary: fc.integer({ min: SNIFF_BYTES - 2, max: SNIFF_BYTES + 2 }), weight: 3 },
  { arbitrary: fc.integer({ min: 0, max: 4_000 }), weight: 4 },
  { arbitrary: fc.integer({ min: BLOCK_BYTES - 2, max: BLOCK_BYTES + 2 }), weight: 2 },
  { arbitrary: fc.integer({ min: 0, max: MOST_BYTES }), weight: 3 },
)
const some = bytes.map((count) => count + 1)
const chunked = fc.boolean()
const share = fc.double({ min: 0, max: 1, noNaN: true })
const by = fc.integer({ min: -2_000, max: 2_000 }).filter((value) => value !== 0)

const kind = <const Kind extends string>(name: Kind) => fc.constant(name)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({ kind: kind('patch'), bytes: some, chunked, extra: fc.boolean() }),
    weight: 30,
  },
  { arbitrary: fc.record({ kind: kind('wrong offset'), bytes, chunked, by }), weight: 12 },
  { arbitrary: fc.record({ kind: kind('overrun'), over: some, chunked }), weight: 12 },
  {
    arbitrary: fc.record({ kind: kind('cut'), bytes: some, share, chunked, reset: fc.boolean() }),
    weight: 25,
  },
  { arbitrary: fc.record({ kind: kind('empty'), chunked }), weight: 10 },
  {
    arbitrary: fc.record({ kind: kind('declare'), room: fc.oneof(bytes, by), bytes, chunked }),
    weight: 15,
  },
  {
    arbitrary: fc.record({ kind: kind('declare and overrun'), room: bytes, over: some, chunked }),
    weight: 6,
  },
  { arbitrary: fc.record({ kind: kind('head') }), weight: 5 },
  { arbitrary: fc.record({ kind: kind('delete') }), weight: 3 },
  { arbitrary: fc.record({ kind: kind('kill'), bytes: some, share }), weight: 1 },
)

export const story: fc.Arbitrary<Story> = fc.record({
  length: fc.oneof({ arbitrary: bytes, weight: 2 }, { arbitrary: fc.constant(null), weight: 1 }),
  steps: fc.array(step, { maxLength: 12 }),
})
