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

const test = suite<{ place: DeliveriesPlace }>('deliveries of a finish')

withPlace(test)

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

test.run()
