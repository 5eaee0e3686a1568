import fc from 'fast-check'
import { type Framing, framing } from './model-checksum.js'
import { bytes } from './model-sizes.js'

/** How an upload is brought to its end; a partial one by being joined with others. */
export interface Ending {
  /** The last PATCH of each. */
  readonly framing: Framing
  /** The other parts: their bytes, and how many of these come only after the final upload was made. */
  readonly others: readonly { readonly bytes: number; readonly late: number }[]
  /** The upload of the story is completed only after the final upload was made. */
  readonly late: boolean
  /** The parts of the final upload in order; 0 is the upload of the story. */
  readonly order: readonly number[]
  /** Parts are named by their paths, not by whole URLs. */
  readonly relative: boolean
  /** kill -9 and a restart: when the final upload has been asked for, is on the disk, or has been answered. */
  readonly kill: 'asked' | 'made' | 'answered' | null
}

const other = fc.record({ bytes, late: fc.oneof(fc.constant(0), bytes) })
const kill = fc.oneof(
  { arbitrary: fc.constant(null), weight: 12 },
  { arbitrary: fc.constantFrom('asked' as const, 'made' as const, 'answered' as const), weight: 2 },
)

export const ending: fc.Arbitrary<Ending> = fc.record({
  framing,
  others: fc.array(other, { minLength: 1, maxLength: 2 }),
  late: fc.boolean(),
  order: fc.array(fc.nat(2), { minLength: 1, maxLength: 4 }),
  relative: fc.boolean(),
  kill,
})
