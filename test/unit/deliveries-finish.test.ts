import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { all, call, DeliveriesPlace, DONE, FAILED, idOf, told, until } from '../helpers/deliveries-place.js'
import { bounded } from '../helpers/test.js'

const test = suite<{ place: DeliveriesPlace }>('deliveries of a finish')

test.before.each((context) => {
  context.place = new DeliveriesPlace()
})
test.after.each(({ place }) => place.leave())

test('what is intended goes out when the finish is confirmed, and not before', async ({ place }) => {
  const deliveries = await place.start()
  await deliveries.intend(call('post-finish'))
  deliveries.tell(call('post-create', 2))
  await until('another upload', () => place.endpoint.tries.length === 1)
  assert.equal([place.endpoint.told, await all(deliveries, 'pending')], [['post-create 2'], []])
  deliveries.confirm(idOf(1))
  await told(place, deliveries, 2)
  assert.equal(place.endpoint.told, ['post-create 2', 'post-finish 1'])
})

test('"at least once, whatever crashes": after a restart it goes out if the upload is finished', async ({
  place,
}) => {
  const before = await place.start()
  for (const number of [1, 2]) await before.intend(call('post-finish', number))
  place.finished.add(idOf(1))
  const deliveries = await place.restart()
  await told(place, deliveries, 1)
  assert.equal([place.endpoint.told, place.files], [['post-finish 1'], ['done.jsonl']])
})

test('an upload that is finished at a later try has one post-finish', async ({ place }) => {
  const before = await place.start()
  await before.intend(call('post-finish'))
  const deliveries = await place.restart({ isFinished: () => new Promise(() => {}) })
  await deliveries.intend(call('post-finish'))
  place.finished.add(idOf(1))
  const last = await place.restart()
  await told(place, last, 1)
  last.tell(call('post-terminate'))
  await told(place, last, 2)
  assert.equal(place.endpoint.told, ['post-finish 1', 'post-terminate 1'])
})

test('what is withdrawn never goes out', async ({ place }) => {
  const before = await place.start()
  await before.intend(call('post-finish'))
  before.withdraw(idOf(1))
  await until('an empty spool', () => before.numbers.pending === 0)
  place.finished.add(idOf(1))
  const deliveries = await place.restart()
  deliveries.tell(call('post-create', 2))
  await told(place, deliveries, 1)
  assert.equal(place.endpoint.told, ['post-create 2'])
})

test("an upload's removal does not remove its undelivered events", async ({ place }) => {
  place.endpoint.answer = () => FAILED
  const before = await place.start({ scheduleMs: [0, 3_600_000] })
  await before.intend(call('post-finish'))
  before.confirm(idOf(1))
  await until('a failure', async () => (await all(before, 'pending'))[0]?.attempts === 1)
  before.tell(call('post-terminate'))
  place.endpoint.answer = () => DONE
  const deliveries = await place.restart()
  await told(place, deliveries, 2)
  assert.equal(place.endpoint.told, ['post-finish 1', 'post-terminate 1'])
})

test('a finish fails with the error of the disk where its post-finish cannot be written', async ({
  place,
}) => {
  const deliveries = await place.start()
  const inTheWay = join(place.folder, 'http', `${idOf(1)}.jsonl`)
  mkdirSync(inTheWay)
  const failed = await deliveries.intend(call('post-finish')).catch((error: Error) => error.message)
  assert.match(failed ?? '', /^EISDIR: /)
  rmdirSync(inTheWay)
  await deliveries.intend(call('post-finish'))
  deliveries.confirm(idOf(1))
  await told(place, deliveries, 1)
})

test('the file and its folder are flushed before an intended line counts', async ({ place }) => {
  const flushed: string[] = []
  let goOn = (): void => {}
  const deliveries = await place.start({
    flushFolder: (folder) => {
      flushed.push(folder)
      return folder.endsWith('http') ? new Promise((resolve) => (goOn = resolve)) : Promise.resolve()
    },
  })
  let isWritten = false
  const intended = deliveries.intend(call('post-finish')).then(() => {
    isWritten = true
  })
  await until('the flush', () => flushed.length === 3)
  assert.equal(flushed, [place.root, place.folder, join(place.folder, 'http')])
  assert.not(isWritten)
  goOn()
  await bounded(30_000, intended, 'the end of the flush')
})

test('an event waits in memory while the disk takes nothing, and goes out before what comes after it', async ({
  place,
}) => {
  const deliveries = await place.start()
  const inTheWay = join(place.folder, 'http', `${idOf(1)}.jsonl`)
  mkdirSync(inTheWay)
  deliveries.tell(call('post-create'))
  deliveries.tell(call('post-finish'))
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
  for (const event of ['post-create', 'post-finish', 'post-terminate'] as const) deliveries.tell(call(event))
  await until('a fault', () => place.log.some((line) => line.includes('EISDIR')))
  rmdirSync(inTheWay)
  await until('all that was kept', () => place.endpoint.tries.length > 0 && deliveries.numbers.pending === 0)
  deliveries.tell(call('post-create', 2))
  await until('the one after', () => place.endpoint.told.includes('post-create 2'))
  assert.equal(place.endpoint.told, ['post-create 1', 'post-finish 1', 'post-create 2'])
  assert.is(place.log.filter((line) => line.startsWith('an event is lost')).length, 1)
})

test('a server that ends leaves what is not acknowledged on the disk, within its time', async ({ place }) => {
  const before = await place.start()
  place.endpoint.answer = () => new Promise(() => {})
  before.tell(call('post-create'))
  before.tell(call('post-finish'))
  await until('the try', () => place.endpoint.tries.length === 1)
  await bounded(30_000, before.close(10), 'the end')
  place.endpoint.answer = () => DONE
  const deliveries = await place.start()
  await told(place, deliveries, 3)
  assert.equal(place.endpoint.told, ['post-create 1', 'post-create 1', 'post-finish 1'])
})

test.run()
