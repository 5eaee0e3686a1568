import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EventRing } from '../../server/http/events/ring.js'

const test = suite('the ring of events')

/** What an event takes beside its bytes. */
const OWN_BYTES = 200

/** A ring that has room for so many events of 100 bytes. */
function ringOf(events: number): EventRing {
  return new EventRing(events * (100 + OWN_BYTES))
}

function add(ring: EventRing, ...numbers: readonly number[]): void {
  for (const number of numbers)
    ring.add({ number, uploadId: `upload ${number}`, owner: null, bytes: Buffer.alloc(100) })
}

const numbersAfter = (ring: EventRing, number: number, mostBytes?: number): number[] | undefined =>
  ring.after(number, mostBytes)?.map((event) => event.number)

test('gives what is behind a number, in order, and as much as was asked for, but one at least', () => {
  const ring = ringOf(10)
  add(ring, 1, 2, 3, 4)
  assert.equal(numbersAfter(ring, 0), [1, 2, 3, 4])
  assert.equal(numbersAfter(ring, 3), [4])
  assert.equal(numbersAfter(ring, 4), [])
  assert.equal(numbersAfter(ring, 0, 250), [1, 2])
  assert.equal(numbersAfter(ring, 2, 1), [3])
})

test('keeps the newest events within its bytes, and says where some are not here any more', () => {
  const ring = ringOf(3)
  add(ring, 1, 2, 3)
  assert.equal(numbersAfter(ring, 0), [1, 2, 3])
  add(ring, 4)
  assert.is(numbersAfter(ring, 0), undefined, 'the first is missing')
  assert.equal(numbersAfter(ring, 1), [2, 3, 4], 'whoever has the first misses nothing')
  add(ring, 5, 6, 7)
  assert.equal(numbersAfter(ring, 4), [5, 6, 7])
})

test('is empty behind a number after it was cleared', () => {
  const ring = ringOf(3)
  add(ring, 1, 2)
  ring.clear(7)
  assert.is(numbersAfter(ring, 6), undefined)
  assert.equal(numbersAfter(ring, 7), [])
  add(ring, 8, 9, 10)
  assert.equal(numbersAfter(ring, 7), [8, 9, 10])
})

test.run()
