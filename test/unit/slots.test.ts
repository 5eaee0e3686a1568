import { mock } from 'node:test'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type GiveBack, Slots } from '../../hooks/slots.js'
import { UploadError } from '../../server/errors.js'

const NEVER = new AbortController().signal

/** Takes a slot that is there or comes free. */
async function take(slots: Slots, id: string): Promise<GiveBack> {
  const giveBack = await slots.take(id, NEVER)
  if (!giveBack) throw new Error('the sender has not left')
  return giveBack
}

async function isRefused(work: Promise<unknown>): Promise<boolean> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof UploadError && error.code === 'slots_full'
}

test('the one beyond the limit is refused at once where nobody may wait', async () => {
  const slots = new Slots({ limit: 2, limitPerOwner: 99, waitMs: 0, mostWaiting: 8 })
  await take(slots, 'a')
  const giveBack = await take(slots, 'b')
  assert.ok(await isRefused(slots.take('c', NEVER)))
  giveBack()
  await take(slots, 'c')
  assert.is(slots.taken, 2)
})

test('a slot given back twice is given back once', async () => {
  const slots = new Slots({ limit: 2, limitPerOwner: 99, waitMs: 0, mostWaiting: 8 })
  const giveBack = await take(slots, 'a')
  await take(slots, 'a')
  giveBack()
  giveBack()
  assert.is(slots.taken, 1)
})

test('two requests of one upload share its slot', async () => {
  const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 0, mostWaiting: 8 })
  const old = await take(slots, 'a')
  const newer = await take(slots, 'a')
  assert.is(slots.taken, 1)
  old()
  assert.is(slots.taken, 1)
  newer()
  assert.is(slots.taken, 0)
})

test('those who wait get slots in order, and nobody overtakes them', async () => {
  const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 60_000, mostWaiting: 8 })
  const first = await take(slots, 'a')
  const order: string[] = []
  const waiting = ['b', 'c'].map((id) =>
    take(slots, id).then((giveBack) => {
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
  const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 20, mostWaiting: 8 })
  const giveBack = await take(slots, 'a')
  assert.ok(await isRefused(slots.take('b', NEVER)))
  giveBack()
  assert.is(slots.taken, 0)
  assert.is(slots.waiting, 0)
})

test('beyond the most that may wait, the next is refused at once', async () => {
  const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 60_000, mostWaiting: 1 })
  const giveBack = await take(slots, 'a')
  const waiting = take(slots, 'b')
  assert.ok(await isRefused(slots.take('c', NEVER)))
  giveBack()
  ;(await waiting)()
  assert.is(slots.taken, 0)
})

test('a sender that goes away while it waits leaves the queue, and the one behind it gets the slot', async () => {
  const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 60_000, mostWaiting: 8 })
  const giveBack = await take(slots, 'a')
  const gone = new AbortController()
  const left = slots.take('b', gone.signal)
  const next = take(slots, 'c')
  gone.abort()
  assert.is(await left, null)
  assert.is(slots.waiting, 1)
  giveBack()
  ;(await next)()
  assert.is(slots.taken, 0)
})

test('a sender that has gone already does not wait', async () => {
  const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 60_000, mostWaiting: 8 })
  await take(slots, 'a')
  assert.is(await slots.take('b', AbortSignal.abort()), null)
  assert.is(slots.waiting, 0)
})

test('a sender that goes away after its slot was given takes nobody out of the queue', async () => {
  const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 60_000, mostWaiting: 8 })
  const giveBack = await take(slots, 'a')
  const gone = new AbortController()
  const second = slots.take('b', gone.signal)
  const third = take(slots, 'c')
  giveBack()
  gone.abort()
  const giveSecondBack = await second
  assert.is(slots.waiting, 1)
  giveSecondBack?.()
  ;(await third)()
  assert.is(slots.taken, 0)
})

test('the time-out of a wait that a slot has ended refuses nobody, and takes nobody else out of the queue', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const slots = new Slots({ limit: 1, limitPerOwner: 99, waitMs: 1_000, mostWaiting: 8 })
    const first = await take(slots, 'a')
    const second = take(slots, 'b')
    mock.timers.tick(999)
    first()
    const third = take(slots, 'c')
    mock.timers.tick(500)
    const giveBack = await second
    assert.is(slots.taken, 1)
    assert.is(slots.waiting, 1, 'the later waiter still waits')
    giveBack()
    ;(await third)()
    assert.is(slots.taken, 0)
    const again = await take(slots, 'd')
    const late = isRefused(slots.take('e', NEVER))
    mock.timers.tick(1_000)
    assert.ok(await late)
    again()
  } finally {
    mock.timers.reset()
  }
})

test('one owner has no more slots than --slots-per-owner, and others still get theirs', async () => {
  const slots = new Slots({ limit: 4, limitPerOwner: 2, waitMs: 0, mostWaiting: 8 })
  const owned = (id: string, owner: string): Promise<unknown> =>
    slots.take(id, NEVER, owner).catch((error: unknown) => error instanceof UploadError && error.code)
  const giveBack = slots.tryTake('a', 'ann')
  await owned('b', 'ann')
  assert.is(await owned('c', 'ann'), 'owner_slots_full')
  assert.type(await owned('b', 'ann'), 'function', 'a request that shares a slot takes none')
  assert.type(await owned('d', 'bob'), 'function')
  assert.type(await slots.take('e', NEVER), 'function')
  assert.is(await owned('f', 'bob'), 'slots_full')
  giveBack?.()
  assert.type(await owned('c', 'ann'), 'function')
})

test('an owner who waits for a slot of their own keeps nobody else waiting, nor out of the queue', async () => {
  const slots = new Slots({ limit: 4, limitPerOwner: 1, waitMs: 60_000, mostWaiting: 2 })
  const giveBack = slots.tryTake('a', 'ann')
  const waiting = slots.take('b', NEVER, 'ann')
  const second = await slots.take('c', NEVER, 'ann').catch((error: unknown) => error)
  assert.is(second instanceof UploadError && second.code, 'owner_slots_full', 'one waits already')
  for (const id of ['d', 'e', 'f']) assert.type(await slots.take(id, NEVER, id), 'function')
  assert.is(slots.waiting, 1)
  giveBack?.()
  const given = await waiting
  assert.type(given, 'function')
  given?.()
  assert.is(slots.taken, 3)
})

test('a slot that comes free passes an owner who has all of theirs, and goes to whoever waits behind', async () => {
  const slots = new Slots({ limit: 2, limitPerOwner: 1, waitMs: 60_000, mostWaiting: 8 })
  const own = slots.tryTake('a', 'ann')
  const giveBack = slots.tryTake('x', 'bob')
  const waiting = slots.take('b', NEVER, 'ann')
  const behind = slots.take('y', NEVER, 'cid')
  giveBack?.()
  assert.is(slots.waiting, 1)
  assert.type(await behind, 'function')
  own?.()
  assert.type(await waiting, 'function')
})

test.run()
