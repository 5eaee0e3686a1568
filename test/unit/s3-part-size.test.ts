import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { s3PlaceOf } from '../../server/model/s3-place.js'
import { keyOf, tailsOf } from '../../server/s3/keys.js'
import {
  copiedPieces,
  LAST_NUMBER,
  LEAST_PART_BYTES,
  MOST_PART_BYTES,
  partBytes,
} from '../../server/s3/part-size.js'

const test = suite('S3: sizes and keys')

const MIB = 1024 * 1024
const MOST_BYTES = 5 * 1024 * 1024 * MIB

/** The parts that an upload of `length` bytes is sent in; `known` is the length that the engine knows. */
function partsOf(length: number, known: number | null, leastBytes: number, first = 1): number[] {
  const sizes: number[] = []
  for (let position = 0; position < length; ) {
    const bytes = partBytes({ number: first + sizes.length, position, length: known, leastBytes })
    assert.ok(bytes >= LEAST_PART_BYTES && bytes <= MOST_PART_BYTES, `${bytes}`)
    sizes.push(Math.min(bytes, length - position))
    position += bytes
  }
  return sizes
}

test('an upload of any length has 10,000 parts at most, also while its length is not known', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: MOST_BYTES }), fc.integer({ min: 5, max: 64 }), (length, least) => {
      for (const known of [length, null])
        assert.ok(partsOf(length, known, least * MIB).length <= LAST_NUMBER, `${length} ${known}`)
      // Behind a base that was copied into as many parts as there can be.
      assert.ok(partsOf(length, length, least * MIB, 1_200).length + 1_199 <= LAST_NUMBER, `${length}`)
    }),
    { numRuns: 30 },
  )
})

test('a part has --s3-part-size where that is enough, and all parts of one length have one size', () => {
  assert.equal(partsOf(12 * MIB, 12 * MIB, 5 * MIB), [5 * MIB, 5 * MIB, 2 * MIB])
  const sizes = partsOf(200 * 1024 * MIB, 200 * 1024 * MIB, 16 * MIB)
  assert.equal([...new Set(sizes.slice(0, -1))], [26 * MIB])
})

test('the pieces of a copied base are one behind the other, and none is too small or too large for a part', () => {
  fc.assert(
    fc.property(fc.integer({ min: LEAST_PART_BYTES, max: MOST_BYTES }), (bytes) => {
      const pieces = copiedPieces(bytes)
      let at = 0
      for (const { from, to } of pieces) {
        assert.is(from, at)
        assert.ok(to - from >= LEAST_PART_BYTES && to - from <= MOST_PART_BYTES)
        at = to
      }
      assert.is(at, bytes)
      assert.ok(pieces.length <= 1_200)
    }),
  )
  assert.equal(copiedPieces(0), [])
})

test('an object has the day of its upload in its key', () => {
  const place = s3PlaceOf('s3://bucket/some/where/')
  assert.equal(place, { bucket: 'bucket', prefix: 'some/where/' })
  if (!place) return
  const id = `20261125-${'a'.repeat(32)}`
  assert.is(keyOf(place, id), `some/where/uploads/2026/11/25/${id}`)
  assert.is(keyOf(place, 'adopted-one'), 'some/where/uploads/adopted/adopted-one')
  assert.is(tailsOf(place), 'some/where/tails/')
  assert.equal(s3PlaceOf('s3://bucket'), { bucket: 'bucket', prefix: '' })
})

test.run()
