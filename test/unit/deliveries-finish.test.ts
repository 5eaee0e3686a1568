import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import {
  all,
  call,
  type DeliveriesPlace,
  DONE,
  FAILED,
  idOf,
  told,
  until,
  withPlace,
} from '../helpers/deliveries-place.js'
import { bounded } from '../helpers/test.js'

const test = suite<{ place: DeliveriesPlace }>('deliveries of a finish')

withPlace(test)

test('what is intended goes out when the finish is confirmed, and not before', async ({ place }) => {
  const deliveries = await place.start()
  await deliveries.intend(idOf(1))
  deliveries.notify(call('post-create', 2))
  await told(place, deliveries, 1)
  assert.equal([place.endpoint.told, await all(deliveries, 'pending')], [['post-create 2'], []])
  deliveries.confirm(call('post-finish'))
  await told(place, deliveries, 2)
  assert.equal(place.endpoint.told, ['post-create 2', 'post-finish 1'])
})

test('"at least once, whatever crashes": after a restart it goes out if the upload is finished', async ({
  place,
}) => {
  const before = await place.start()
  for (const number of [1, 2]) await before.intend(idOf(number))
  place.finished.add(idOf(1))
  const deliveries = await place.restart()
  await told(place, deliveries, 1)
  await until('the note that it is done', () => place.files.includes('done.jsonl'))
  assert.equal([place.endpoint.told, place.files], [['post-finish 1'], ['done.jsonl']])
})

test('an upload that is finished at a later try has one post-finish', async ({ place }) => {
  const before = await place.start()
  await before.intend(idOf(1))
  await before.failed(idOf(1))
  await before.intend(idOf(1))
  const deliveries = await place.restart()
  await deliveries.intend(idOf(1))
  place.finished.add(idOf(1))
  const last = await place.restart()
  await told(place, last, 1)
  last.notify(call('post-terminate'))
  await told(place, last, 2)
  assert.equal(place.endpoint.told, ['post-finish 1', 'post-terminate 1'])
})

test('an upload whose files cannot be read after a restart keeps no other event back, and has its own later', async ({
  place,
}) => {
  const before = await place.start()
  for (const number of [1, 2]) await before.intend(idOf(number))
  let isTorn = true
  const finished = async (id: string) => {
    if (isTorn && id === idOf(1)) throw new Error('the sidecar is torn')
    return call('post-finish', id === idOf(1) ? 1 : 2).upload
  }
  const deliveries = await place.restart({ finished })
  deliveries.notify(call('post-create', 3))
  await until('the others', () => place.endpoint.tries.length === 2)
  assert.equal(place.endpoint.told.sort(), ['post-create 3', 'post-finish 2'])
  isTorn = false
  await until('its own', () => place.endpoint.told.includes('post-finish 1'))
})

test('what was intended and failed never goes out', async ({ place }) => {
  const before = await place.start()
  await before.intend(idOf(1))
  await before.failed(idOf(1))
  place.finished.add(idOf(1))
  const deliveries = await place.restart()
  deliveries.notify(call('post-create', 2))
  await told(place, deliveries, 1)
  assert.equal(place.endpoint.told, ['post-create 2'])
})

test("an upload's removal does not remove its undelivered events", async ({ place }) => {
  place.endpoint.answer = () => FAILED
  const before = await place.start({ scheduleMs: [0, 3_600_000] })
  await before.intend(idOf(1))
  before.confirm(call('post-finish'))
  await until('a failure', async () => (await all(before, 'pending'))[0]?.attempts === 1)
  before.notify(call('post-terminate'))
  place.endpoint.answer = () => DONE
  const deliveries = await place.restart()
  await told(place, deliveries, 2)
  assert.equal(place.endpoint.told, ['post-finish 1', 'post-terminate 1'])
})

test('disk_full: a finish fails where it finds no place, and what holds the places cannot be written', async ({
  place,
}) => {
  const deliveries = await place.start({ limits: { finishes: 1 } })
  const inTheWay = join(place.folder, 'http', `${idOf(1)}.jsonl`)
  mkdirSync(inTheWay)
  await deliveries.intend(idOf(1))
  deliveries.confirm(call('post-finish'))
  await until('a fault', () => place.log.some((line) => line.includes('EISDIR')))
  const failed = await deliveries.intend(idOf(2)).catch((error: unknown) => error)
  assert.is(failed instanceof UploadError && failed.code, 'disk_full')
  rmdirSync(inTheWay)
  await told(place, deliveries, 1)
  await deliveries.intend(idOf(2))
  deliveries.confirm(call('post-finish', 2))
  await told(place, deliveries, 2)
  assert.equal(place.endpoint.told, ['post-finish 1', 'post-finish 2'])
})

test('more finishes at once than there are places wait for each other', async ({ place }) => {
  const deliveries = await place.start({ limits: { finishes: 2 } })
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
  await Promise.all(
    numbers.map(async (number) => {
      await deliveries.intend(idOf(number))
      if (number % 4 === 0) deliveries.forget(idOf(number))
      else deliveries.confirm(call('post-finish', number))
    }),
  )
  await told(place, deliveries, 6)
  assert.equal(place.endpoint.tries.map(({ number }) => number).sort(), [1, 2, 3, 5, 6, 7])
})

test('an event that was written before the crash goes out once', async ({ place }) => {
  place.endpoint.answer = () => FAILED
  const before = await place.start({ scheduleMs: [0, 3_600_000] })
  const file = join(place.folder, 'http', 'finishing')
  await before.intend(idOf(1))
  const marked = readFileSync(file)
  before.confirm(call('post-finish'))
  await until('a failure', async () => (await all(before, 'pending'))[0]?.attempts === 1)
  await place.end()
  place.finished.add(idOf(1))
  writeFileSync(file, marked)
  place.endpoint.answer = () => DONE
  const second = await place.restart()
  await told(place, second, 1)
  await place.end()
  writeFileSync(file, marked)
  const third = await place.restart()
  third.notify(call('post-create', 2))
  await told(place, third, 1)
  assert.equal(place.endpoint.told, ['post-create 2'])
})

test('an event waits in memory while the disk takes nothing, and goes out before what comes after it', async ({
  place,
}) => {
  const deliveries = await place.start()
  const inTheWay = join(place.folder, 'http', `${idOf(1)}.jsonl`)
  mkdirSync(inTheWay)
  deliveries.notify(call('post-create'))
  deliveries.notify(call('post-finish'))
  await until('a fault', () => place.log.some((line) => line.includes('EISDIR')))
  assert.equal(place.endpoint.tries, [])
  rmdirSync(inTheWay)
  await told(place, deliveries, 2)
  assert.equal(place.endpoint.told, ['post-create 1', 'post-finish 1'])
})

test('events for which there is no memory are lost, and the log says so', async ({ place }) => {
  const deliveries = await place.start({ limits: { memoryBytes: 2_000 } })
  const inTheWay = join(place.folder, 'http', `${idOf(1)}.jsonl`)
  mkdirSync(inTheWay)
  for (const event of ['post-create', 'post-finish', 'post-terminate'] as const)
    deliveries.notify(call(event))
  await until('a fault', () => place.log.some((line) => line.includes('EISDIR')))
  rmdirSync(inTheWay)
  await until('all that was kept', () => place.endpoint.tries.length > 0 && deliveries.numbers.pending === 0)
  deliveries.notify(call('post-create', 2))
  await until('the one after', () => place.endpoint.told.includes('post-create 2'))
  assert.equal(place.endpoint.told, ['post-create 1', 'post-finish 1', 'post-create 2'])
  assert.is(place.log.filter((line) => line.startsWith('an event is lost')).length, 1)
})

test('a server that ends leaves what is not acknowledged on the disk, within its time', async ({ place }) => {
  const before = await place.start()
  place.endpoint.answer = () => new Promise(() => {})
  before.notify(call('post-create'))
  before.notify(call('post-finish'))
  await until('the try', () => place.endpoint.tries.length === 1)
  await bounded(30_000, before.close(10), 'the end')
  place.endpoint.answer = () => DONE
  const deliveries = await place.start()
  await told(place, deliveries, 3)
  assert.equal(place.endpoint.told, ['post-create 1', 'post-create 1', 'post-finish 1'])
})

test.run()
