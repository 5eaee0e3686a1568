import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Slots } from '../../hooks/slots.js'
import { UploadError } from '../../server/errors.js'

const NEVER = new AbortController().signal

async function isRefused(work: Promise<unknown>): Promise<boolean> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof UploadError && error.code === 'slots_full'
}

test('the one beyond the limit is refused at once where nobody may wait', async () => {
  const slots = new Slots({ limit: 2, waitMs: 0, mostWaiting: 8 })
  await slots.take('a', NEVER)
  const giveBack = await slots.take('b', NEVER)
  assert.ok(await isRefused(slots.take('c', NEVER)))
  giveBack()
  await slots.take('c', NEVER)
  assert.is(slots.taken, 2)
})

test('a slot given back twice is given back once', async () => {
  const slots = new Slots({ limit: 2, waitMs: 0, mostWaiting: 8 })
  const giveBack = await slots.take('a', NEVER)
  await slots.take('a', NEVER)
  giveBack()
  giveBack()
  assert.is(slots.taken, 1)
})

test('two requests of one upload share its slot', async () => {
  const slots = new Slots({ limit: 1, waitMs: 0, mostWaiting: 8 })
  const old = await slots.take('a', NEVER)
  const newer = await slots.take('a', NEVER)
  assert.is(slots.taken, 1)
  old()
  assert.is(slots.taken, 1)
  newer()
  assert.is(slots.taken, 0)
})

test('those who wait get slots in order, and nobody overtakes them', async () => {
  const slots = new Slots({ limit: 1, waitMs: 60_000, mostWaiting: 8 })
  const first = await slots.take('a', NEVER)
  const order: string[] = []
  const waiting = ['b', 'c'].map((id) =>
    slots.take(id, NEVER).then((giveBack) => {
      order.push(id)
      giveBack()
    }),
  )
  assert.is(slots.waiting, 2)
  first()
  await Promise.all(waiting)
  assert.equal(order, ['b', 'c'])
  assert.is(slots.taken, 0)
})

test('a wait that was too long ends with slots_full and takes nothing', async () => {
  const slots = new Slots({ limit: 1, waitMs: 20, mostWaiting: 8 })
  const giveBack = await slots.take('a', NEVER)
  assert.ok(await isRefused(slots.take('b', NEVER)))
  giveBack()
  assert.is(slots.taken, 0)
  assert.is(slots.waiting, 0)
})

test('beyond the most that may wait, the next is refused at once', async () => {
  const slots = new Slots({ limit: 1, waitMs: 60_000, mostWaiting: 1 })
  const giveBack = await slots.take('a', NEVER)
  const waiting = slots.take('b', NEVER)
  assert.ok(await isRefused(slots.take('c', NEVER)))
  giveBack()
  ;(await waiting)()
  assert.is(slots.taken, 0)
})

test('a sender that goes away while it waits leaves the queue', async () => {
  const slots = new Slots({ limit: 1, waitMs: 60_000, mostWaiting: 8 })
  await slots.take('a', NEVER)
  const gone = new AbortController()
  const refused = isRefused(slots.take('b', gone.signal))
  gone.abort()
  assert.ok(await refused)
  assert.is(slots.waiting, 0)
})

test.run()
