import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RecordState, UploadRecord } from '../../server/model/record.js'
import { bytesOf, RecordQueue } from '../../server/records/queue.js'

function record(id: string, state: RecordState, offset = 0): UploadRecord {
  const at = '2026-11-23T10:00:00.000Z'
  const names = { filename: null, type: null, declaredType: null, metadata: null }
  const times = {
    createdAt: at,
    updatedAt: at,
    finishedAt: null,
    reason: null,
    concat: null,
    joinedInto: null,
    owner: null,
    grantId: null,
  }
  return { id, state, offset, length: null, sha256: null, path: `uploads/${id}`, ...names, ...times }
}

const BYTES = bytesOf(record('a', 'receiving'))
const MANY_BYTES = 2 ** 30
/** The longest Upload-Metadata that is taken. */
const METADATA = `filename ${'QUFB'.repeat(2045)}`

/** The states that would be written next, as `id:offset`. */
function drain(queue: RecordQueue): string[] {
  const states = queue.take(100, MANY_BYTES).map(({ record }) => `${record.id}:${record.offset}`)
  queue.done()
  return states
}

test('an upload takes one place, with its newest state and its first place in line', () => {
  const queue = new RecordQueue(10 * BYTES)
  queue.add(record('a', 'receiving', 1), true, 100)
  queue.add(record('b', 'receiving', 1), true, 200)
  queue.add(record('a', 'paused', 2), true, 300)
  assert.is(queue.size, 2)
  assert.is(queue.oldest?.sinceMs, 100)
  assert.equal(drain(queue), ['a:2', 'b:1'])
})

test('at the limit an intermediate newcomer is dropped and counted', () => {
  const queue = new RecordQueue(2 * BYTES)
  for (const id of ['a', 'b', 'c']) queue.add(record(id, 'receiving'), true, 0)
  assert.is(queue.dropped, 1)
  assert.equal(drain(queue), ['a:0', 'b:0'])
})

test('at the limit the oldest intermediate state gives way to a final one', () => {
  const queue = new RecordQueue(2 * BYTES)
  queue.add(record('a', 'finished'), true, 0)
  queue.add(record('b', 'paused'), true, 0)
  queue.add(record('c', 'finished'), true, 0)
  assert.is(queue.dropped, 1)
  assert.equal(drain(queue), ['a:0', 'c:0'])
})

test('at the limit with final states only, the newcomer is dropped', () => {
  const queue = new RecordQueue(2 * BYTES)
  for (const id of ['a', 'b', 'c']) queue.add(record(id, 'finished'), true, 0)
  assert.is(queue.dropped, 1)
  assert.equal(drain(queue), ['a:0', 'b:0'])
})

test('at the limit a newer state of a waiting upload is taken', () => {
  const queue = new RecordQueue(1 * BYTES)
  queue.add(record('a', 'receiving', 1), true, 0)
  queue.add(record('a', 'finished', 2), true, 0)
  assert.is(queue.dropped, 0)
  assert.equal(drain(queue), ['a:2'])
})

test('the queue is bounded in bytes: long metadata takes the room of many records', () => {
  const queue = new RecordQueue(100 * BYTES)
  const long = { metadata: METADATA, filename: 'A'.repeat(6135) }
  for (let number = 0; number < 1000; number++)
    queue.add({ ...record(`${number}`, 'receiving'), ...long }, true, 0)
  assert.ok(queue.bytes <= 100 * BYTES, `${queue.bytes} bytes`)
  assert.is(queue.size + queue.dropped, 1000)
  assert.ok(queue.size >= 3, `${queue.size} records`)
  queue.take(100, MANY_BYTES)
  queue.done()
  assert.is(queue.bytes, 0)
})

test('at the limit as many intermediate states give way as a long final one needs', () => {
  const queue = new RecordQueue(20 * BYTES)
  for (let number = 0; number < 20; number++) queue.add(record(`${number}`, 'paused'), true, 0)
  queue.add({ ...record('long', 'finished'), metadata: 'A'.repeat(5 * BYTES) }, true, 0)
  assert.is(queue.dropped, 6)
  assert.is(queue.find('5'), undefined)
  assert.is(queue.find('long')?.record.state, 'finished')
  assert.ok(queue.bytes <= 20 * BYTES)
})

test('a batch is bounded in bytes, but has at least one state', () => {
  const queue = new RecordQueue(MANY_BYTES)
  for (let number = 0; number < 10; number++)
    queue.add({ ...record(`${number}`, 'receiving'), metadata: METADATA }, true, 0)
  assert.is(queue.take(100, 20_000).length, 3)
  queue.done()
  assert.is(queue.take(100, 1).length, 1)
})

test('the bytes in the queue are those of its states, whatever was added, lost and written', () => {
  const queue = new RecordQueue(MANY_BYTES)
  for (let number = 0; number < 10; number++) queue.add(record(`${number}`, 'receiving'), true, 0)
  queue.take(4, MANY_BYTES)
  queue.add({ ...record('1', 'finished'), type: 'image/png' }, true, 0)
  queue.add({ ...record('7', 'finished'), type: 'image/png' }, true, 0)
  assert.is(queue.bytes, 11 * BYTES + 2 * 2 * 'image/png'.length)
  queue.putBack()
  assert.is(queue.bytes, 10 * BYTES + 2 * 2 * 'image/png'.length)
  queue.take(100, MANY_BYTES)
  assert.is(queue.waitingBytes, 0)
  queue.done()
  assert.is(queue.bytes, 0)
})

test('states in flight count towards the limit and are found', () => {
  const queue = new RecordQueue(1 * BYTES)
  queue.add(record('a', 'receiving'), true, 0)
  queue.take(100, MANY_BYTES)
  queue.add(record('b', 'receiving'), true, 0)
  assert.is(queue.dropped, 1)
  assert.is(queue.find('a')?.record.id, 'a')
})

test('states that were lost in flight are first in line again, unless newer ones came', () => {
  const queue = new RecordQueue(10 * BYTES)
  queue.add(record('a', 'receiving', 1), true, 0)
  queue.add(record('b', 'receiving', 1), true, 0)
  queue.take(100, MANY_BYTES)
  queue.add(record('c', 'receiving', 1), true, 0)
  queue.add(record('a', 'receiving', 2), true, 0)
  queue.putBack()
  assert.equal(drain(queue), ['a:2', 'b:1', 'c:1'])
})

test('a restored state gives way to a live one, waiting or in flight', () => {
  const queue = new RecordQueue(10 * BYTES)
  queue.add(record('a', 'receiving', 5), true, 0)
  queue.add(record('a', 'receiving', 3), false, 0)
  assert.is(queue.find('a')?.record.offset, 5)
  queue.take(100, MANY_BYTES)
  queue.add(record('a', 'receiving', 3), false, 0)
  assert.is(queue.waiting, 0)
})

test('a live state replaces a restored one', () => {
  const queue = new RecordQueue(10 * BYTES)
  queue.add(record('a', 'receiving', 5), false, 0)
  queue.add(record('a', 'receiving', 3), true, 0)
  assert.equal(drain(queue), ['a:3'])
})

test.run()
