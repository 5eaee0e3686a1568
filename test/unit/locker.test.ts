import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { UploadLocks } from '../../server/tus/locker.js'

class Owner {
  interrupts = 0
  interrupt(): void {
    this.interrupts += 1
  }
}

function setUp(waitMs = 60_000) {
  return {
    locks: new UploadLocks<Owner>({ waitMs, mostWaiting: 2 }, () => true),
    a: new Owner(),
    b: new Owner(),
    c: new Owner(),
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof UploadError ? error.code : String(error)
}

test('who comes while an upload is held interrupts the holder and gets it in order', async () => {
  const { locks, a, b, c } = setUp()
  await locks.acquire('x', a)
  const order: string[] = []
  const second = locks.acquire('x', b).then(() => order.push('b'))
  const third = locks.acquire('x', c).then(() => order.push('c'))
  assert.is(a.interrupts, 2)
  locks.release('x', a)
  await second
  assert.is(locks.holder('x'), b)
  locks.release('x', b)
  await third
  assert.equal(order, ['b', 'c'])
})

test('a holder with somebody behind it is interrupted as it begins: the newest wins', async () => {
  const { locks, a, b, c } = setUp()
  await locks.acquire('x', a)
  const second = locks.acquire('x', b)
  const third = locks.acquire('x', c)
  locks.release('x', a)
  await second
  assert.is(b.interrupts, 1)
  locks.release('x', b)
  await third
  assert.is(c.interrupts, 0)
})

test('the server waits its turn, interrupts nobody, and passes the upload on', async () => {
  const { locks, a, b } = setUp()
  await locks.acquire('x', a)
  const order: string[] = []
  const work = locks.waitWith('x', async () => void order.push('server'))
  assert.is(a.interrupts, 0)
  const second = locks.acquire('x', b).then(() => order.push('b'))
  locks.release('x', a)
  await work
  await second
  assert.equal(order, ['server', 'b'])
  locks.release('x', b)
  assert.not(locks.isHeld('x'))
  await locks.waitWith('x', async () => void order.push('alone'))
  assert.not(locks.isHeld('x'))
})

test('a holder behind which only the server waits is not interrupted', async () => {
  const { locks, a, b } = setUp()
  await locks.acquire('x', a)
  const second = locks.acquire('x', b)
  const work = locks.waitWith('x', async () => {})
  locks.release('x', a)
  await second
  assert.is(b.interrupts, 0)
  locks.release('x', b)
  await work
})

test('work of the server that fails gives the upload back', async () => {
  const { locks, a } = setUp()
  await locks.acquire('x', a)
  const work = locks.waitWith('x', async () => {
    throw new Error('failed')
  })
  locks.release('x', a)
  assert.is(await codeOf(work), 'Error: failed')
  assert.not(locks.isHeld('x'))
})

test('only the holder can release', async () => {
  const { locks, a, b } = setUp()
  await locks.acquire('x', a)
  assert.throws(() => locks.release('x', b), /another than the holder/)
  assert.is(locks.holder('x'), a)
})

test('a request that waited for too long is refused with upload_locked and leaves the queue', async () => {
  const { locks, a, b, c } = setUp(20)
  await locks.acquire('x', a)
  assert.is(await codeOf(locks.acquire('x', b)), 'upload_locked')
  locks.release('x', a)
  await locks.acquire('x', c)
  assert.is(c.interrupts, 0)
})

test('beyond the most that may wait, the next is refused at once', async () => {
  const { locks, a, b, c } = setUp()
  await locks.acquire('x', a)
  const waiting = [locks.acquire('x', b), locks.acquire('x', c)]
  assert.is(await codeOf(locks.acquire('x', new Owner())), 'upload_locked')
  locks.release('x', a)
  await waiting[0]
  locks.release('x', b)
  await waiting[1]
})

test('background work takes only what nobody holds, and gives it to who came meanwhile', async () => {
  const { locks, a, b } = setUp()
  await locks.acquire('x', a)
  let ran = false
  await locks.tryWith('x', async () => {
    ran = true
  })
  assert.is(ran, false)
  assert.is(a.interrupts, 0)
  let next: Promise<void> | undefined
  await locks.tryWith('y', async () => {
    next = locks.acquire('y', b)
  })
  await next
  assert.is(locks.holder('y'), b)
})

test('an upload that nobody holds any more is free', async () => {
  const { locks, a } = setUp()
  await locks.acquire('x', a)
  locks.release('x', a)
  assert.not(locks.isHeld('x'))
  assert.throws(() => locks.holder('x'))
})

test.run()
