import fc from 'fast-check'
import {
  type Fault,
  type Framing,
  framing,
  malformation,
  type SummedFraming,
  summedFraming,
} from './model-checksum.js'
import { type Ending, ending } from './model-ending.js'
import { bytes } from './model-sizes.js'

/** One request, cut or kill; sizes in bytes, to be fitted to the upload as it is then. */
export type Step =
  /** A PATCH at the right offset whose body fits; `extra` writes bytes behind the declared body. */
  | { kind: 'patch'; bytes: number; framing: Framing; extra: boolean }
  | { kind: 'wrong offset'; bytes: number; framing: Framing; by: number }
  /** A PATCH that brings more than there is room for. */
  | { kind: 'overrun'; over: number; framing: Framing }
  /** A PATCH of `bytes` of which `share` is sent before the connection ends, or HEAD takes the upload over. */
  | { kind: 'cut'; bytes: number; share: number; framing: Framing; by: 'reset' | 'end' | 'HEAD' }
  | { kind: 'empty'; framing: Framing }
  /** A whole PATCH whose body is not that of its checksum; `room`, where Upload-Length comes with it. */
  | { kind: 'mismatch'; bytes: number; framing: SummedFraming; fault: Fault; room: number | null }
  /** A whole PATCH whose checksum cannot be read. */
  | { kind: 'malformed'; bytes: number; framing: SummedFraming; value: number; room: number | null }
  /**
   * A PATCH with Upload-Length, `room` above the offset; below it where that is negative. `again`: with the
   * one that is known, where one is.
   */
  | { kind: 'declare'; room: number; bytes: number; framing: Framing; again: boolean }
  /** A PATCH with Upload-Length whose body is longer than that. */
  | { kind: 'declare and overrun'; room: number; over: number; framing: Framing }
  | { kind: 'head' }
  | { kind: 'delete' }
  /** kill -9 and a restart, while a PATCH of `bytes` runs of which `share` was sent. */
  | { kind: 'kill'; bytes: number; share: number; framing: Framing }
  /** A PATCH as above, and kill -9 as soon as it is answered. */
  | { kind: 'patch and kill'; bytes: number; framing: Framing }

export interface Story {
  /** A partial upload. */
  readonly partial: boolean
  /** Null for a deferred one. */
  readonly length: number | null
  readonly steps: readonly Step[]
  readonly ending: Ending
}

const some = bytes.map((count) => count + 1)
// Not fc.double: that draws from all doubles alike, nearly all of which are next to nothing.
const share = fc.integer({ min: 0, max: 1000 }).map((thousandths) => thousandths / 1000)
const by = fc.integer({ min: -2_000, max: 2_000 }).filter((value) => value !== 0)
const room = fc.option(bytes)
const cutBy = fc.constantFrom('reset' as const, 'end' as const, 'HEAD' as const)
const fault = fc.constantFrom('body' as const, 'digest' as const)

const kind = <const Kind extends string>(name: Kind) => fc.constant(name)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({ kind: kind('patch'), bytes: some, framing, extra: fc.boolean() }),
    weight: 30,
  },
  { arbitrary: fc.record({ kind: kind('wrong offset'), bytes, framing, by }), weight: 12 },
  { arbitrary: fc.record({ kind: kind('overrun'), over: some, framing }), weight: 12 },
  {
    arbitrary: fc.record({ kind: kind('cut'), bytes: some, share, framing, by: cutBy }),
    weight: 25,
  },
  { arbitrary: fc.record({ kind: kind('empty'), framing }), weight: 10 },
  {
    arbitrary: fc.record({ kind: kind('mismatch'), bytes, framing: summedFraming, fault, room }),
    weight: 20,
  },
  {
    arbitrary: fc.record({
      kind: kind('malformed'),
      bytes,
      framing: summedFraming,
      value: malformation,
      room,
    }),
    weight: 12,
  },
  {
    arbitrary: fc.record({
      kind: kind('declare'),
      room: fc.oneof(bytes, by),
      bytes,
      framing,
      again: fc.boolean(),
    }),
    weight: 15,
  },
  {
    arbitrary: fc.record({ kind: kind('declare and overrun'), room: bytes, over: some, framing }),
    weight: 6,
  },
  { arbitrary: fc.record({ kind: kind('head') }), weight: 5 },
  { arbitrary: fc.record({ kind: kind('delete') }), weight: 3 },
  { arbitrary: fc.record({ kind: kind('kill'), bytes: some, share, framing }), weight: 2 },
  { arbitrary: fc.record({ kind: kind('patch and kill'), bytes: some, framing }), weight: 2 },
)

export const story: fc.Arbitrary<Story> = fc.record({
  partial: fc.boolean(),
  length: fc.oneof({ arbitrary: bytes, weight: 2 }, { arbitrary: fc.constant(null), weight: 1 }),
  steps: fc.array(step, { maxLength: 12 }),
  ending,
})
