import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  all,
  call,
  type DeliveriesPlace,
  FAILED,
  FINISHED_AT,
  idOf,
  told,
  until,
  withPlace,
} from '../helpers/deliveries-place.js'
import { bounded } from '../helpers/test.js'

const test = suite<{ place: DeliveriesPlace }>('marks of finishes')

withPlace(test)

test('a finish is marked on the disk before it goes on, until its event is there and flushed', async ({
  place,
}) => {
  let flush = async (): Promise<void> => {}
  const deliveries = await place.start({ flushFolder: () => flush(), scheduleMs: [0, 3_600_000] })
  let goOn = (): void => {}
  let isFlushing = false
  flush = () => {
    isFlushing = true
    return new Promise((resolve) => {
      goOn = resolve
    })
  }
  await deliveries.intend(idOf(1))
  assert.equal(place.marked, [1])
  place.endpoint.answer = () => FAILED
  deliveries.confirm(call('post-finish'))
  let isWritten = false
  const written = deliveries.written(idOf(1)).then(() => {
    isWritten = true
  })
  await until('the flush', () => isFlushing)
  assert.equal([place.files, place.marked, isWritten], [[`${idOf(1)}.jsonl`], [1], false])
  flush = async () => {}
  goOn()
  await bounded(30_000, written, 'the end of the writing')
  assert.equal(place.marked, [])
})

test('an event that is delivered at once needs no flush', async ({ place }) => {
  let flushes = 0
  const flushFolder = async (): Promise<void> => {
    flushes += 1
  }
  const deliveries = await place.start({ flushFolder, limits: { flushPauseMs: 3_600_000 } })
  const atStart = flushes
  await deliveries.intend(idOf(1))
  deliveries.confirm(call('post-finish'))
  await told(place, deliveries, 1)
  assert.equal(place.marked, [1])
  await deliveries.written(idOf(1))
  assert.equal([place.marked, flushes], [[], atStart])
})

test('events that are not delivered are flushed together, once so many wait', async ({ place }) => {
  place.endpoint.answer = () => FAILED
  let flushes = 0
  const flushFolder = async (): Promise<void> => {
    flushes += 1
  }
  const limits = { flushPauseMs: 3_600_000, finishes: 16 }
  const deliveries = await place.start({ flushFolder, limits, scheduleMs: [0, 3_600_000] })
  const atStart = flushes
  for (const number of [1, 2, 3, 4]) await deliveries.intend(idOf(number))
  for (const number of [1, 2, 3, 4]) deliveries.confirm(call('post-finish', number))
  await until('the end of the marks', () => place.marked.length === 0)
  assert.is(flushes, atStart + 1)
})

test('where events cannot be flushed their marks stay, until a later try', async ({ place }) => {
  place.endpoint.answer = () => FAILED
  let isBroken = false
  const flushFolder = async (): Promise<void> => {
    if (isBroken) throw new Error('EIO: i/o error, fsync')
  }
  const deliveries = await place.start({ flushFolder, scheduleMs: [0, 3_600_000] })
  isBroken = true
  await deliveries.intend(idOf(1))
  deliveries.confirm(call('post-finish'))
  await until('a fault', () => place.log.some((line) => line.includes('EIO')))
  assert.equal(place.marked, [1])
  isBroken = false
  await until('the end of the mark', () => place.marked.length === 0)
})

test('"whatever crashes": a finish that failed after its sidecar was replaced is due still', async ({
  place,
}) => {
  const before = await place.start()
  for (const number of [1, 2, 3]) await before.intend(idOf(number))
  // The flush of the folder failed: the sidecars of two say that they are finished.
  place.finished.add(idOf(1)).add(idOf(3))
  for (const number of [1, 2, 3]) {
    await before.failed(idOf(number))
    before.withdraw(idOf(number))
  }
  await until('the end of the mark', () => !place.marked.includes(2))
  assert.equal(place.marked, [1, 3])
  await before.intend(idOf(3))
  before.confirm(call('post-finish', 3))
  await told(place, before, 1)
  assert.equal(place.endpoint.told, ['post-finish 3'])
  const deliveries = await place.restart()
  await told(place, deliveries, 1)
  assert.equal(place.endpoint.told, ['post-finish 1'])
  await until('the end of the marks', () => place.marked.length === 0)
})

test('an upload that is removed after its finish failed leaves no mark', async ({ place }) => {
  const deliveries = await place.start()
  await deliveries.intend(idOf(1))
  place.finished.add(idOf(1))
  await deliveries.failed(idOf(1))
  deliveries.forget(idOf(1))
  await until('the end of the mark', () => place.marked.length === 0)
  assert.not(deliveries.confirm(call('post-finish')))
})

test('marks whose uploads cannot be read take no place from others', async ({ place }) => {
  const limits = { finishes: 2 }
  const before = await place.start({ limits })
  for (const number of [1, 2]) await before.intend(idOf(number))
  const finished = async (): Promise<null> => {
    throw new Error('the sidecar is torn')
  }
  for (const number of [3, 5]) {
    const deliveries = await place.restart({ limits, finished })
    for (const each of [number, number + 1]) await bounded(10_000, deliveries.intend(idOf(each)), 'a place')
  }
  assert.equal(place.marked, [1, 2, 3, 4, 5, 6])
  place.finished.add(idOf(2))
  const last = await place.restart({ limits })
  await told(place, last, 1)
  assert.equal(place.endpoint.told, ['post-finish 2'])
})

test('the time of a post-finish is that of the finish, also after a crash', async ({ place }) => {
  const before = await place.start({ scheduleMs: [0, 3_600_000] })
  place.endpoint.answer = () => FAILED
  for (const number of [1, 2]) await before.intend(idOf(number))
  before.confirm(call('post-finish'))
  await until('a failure', async () => (await all(before, 'pending'))[0]?.attempts === 1)
  place.finished.add(idOf(1)).add(idOf(2))
  const deliveries = await place.restart({ scheduleMs: [0, 3_600_000] })
  await until('both', async () => (await all(deliveries, 'pending')).length === 2)
  const times = (await all(deliveries, 'pending')).map(({ createdAt }) => createdAt)
  assert.equal(times, [FINISHED_AT, FINISHED_AT])
})

test('marks are taken away before the server ends', async ({ place }) => {
  const before = await place.start()
  before.expect(idOf(1))
  before.withdraw(idOf(1))
  await place.end()
  assert.equal([place.marked, place.log], [[], []])
})

test('a mark that was written in part counts as none, and takes no place', async ({ place }) => {
  await place.start()
  await place.end()
  writeFileSync(join(place.folder, 'http', 'finishing'), `msg_${idOf(1)}_00`)
  place.finished.add(idOf(1))
  const deliveries = await place.start({ limits: { finishes: 1 } })
  await bounded(10_000, deliveries.intend(idOf(2)), 'a place')
  deliveries.confirm(call('post-finish', 2))
  await told(place, deliveries, 1)
  assert.equal([place.endpoint.told, place.log], [['post-finish 2'], []])
})

test('bodies that take long leave places to uploads that finish', async ({ place }) => {
  const deliveries = await place.start({ limits: { finishes: 4 } })
  for (const number of [1, 2, 3, 4, 5]) deliveries.expect(idOf(number))
  await bounded(30_000, deliveries.intend(idOf(6)), 'a place')
  deliveries.confirm(call('post-finish', 6))
  await told(place, deliveries, 1)
})

test('what was expected and did not come leaves nothing', async ({ place }) => {
  const before = await place.start({ limits: { finishes: 1 } })
  before.expect(idOf(1))
  before.withdraw(idOf(1))
  before.expect(idOf(2))
  await before.intend(idOf(2))
  place.finished.add(idOf(1)).add(idOf(2))
  const deliveries = await place.restart()
  await told(place, deliveries, 1)
  assert.equal(place.endpoint.told, ['post-finish 2'])
})

test.run()
