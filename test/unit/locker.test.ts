import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { Body, BodyEnd } from '../../server/model/body.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import { UploadRequest } from '../../server/model/request.js'
import { type MayInterrupt, UploadLocks } from '../../server/tus/locker.js'

/** A body that counts how often it is ended. */
class FakeBody implements Body {
  readonly isStopped = false
  stops = 0
  drain(): Promise<BodyEnd> {
    return Promise.resolve('complete')
  }
  stop(): void {
    this.stops += 1
  }
}

class FakeRequest extends UploadRequest {
  readonly fakeBody: FakeBody

  constructor() {
    const body = new FakeBody()
    const nothing = { headers: {}, checksum: null, trailing: null, creation: null }
    super({ id: 'x', method: 'PATCH', principal: ANONYMOUS, body, ...nothing })
    this.fakeBody = body
  }

  get interrupts(): number {
    return this.fakeBody.stops
  }
}

function setUp(waitMs = 60_000, mayInterrupt: MayInterrupt = () => true) {
  return {
    locks: new UploadLocks({ waitMs, mostWaiting: 2 }, mayInterrupt),
    a: new FakeRequest(),
    b: new FakeRequest(),
    c: new FakeRequest(),
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
  assert.throws(() => locks.release('x', b), /a lock that it does not hold/)
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
  assert.is(await codeOf(locks.acquire('x', new FakeRequest())), 'upload_locked')
  locks.release('x', a)
  await waiting[0]
  locks.release('x', b)
  await waiting[1]
})

test('a request that may not access an upload neither interrupts its holder nor waits', async () => {
  for (const denied of [() => false, () => Promise.resolve(false)]) {
    const { locks, a, b, c } = setUp(60_000, (_id, request) => request === c || denied())
    await locks.acquire('x', a)
    assert.is(await codeOf(locks.acquire('x', b)), 'upload_unknown')
    assert.is(await codeOf(locks.interrupt('x', b)), 'upload_unknown')
    assert.is(a.interrupts, 0)
    const third = locks.acquire('x', c)
    assert.is(a.interrupts, 1)
    locks.release('x', a)
    await third
    assert.is(c.interrupts, 0, 'nobody waits behind it')
  }
})

test('an upload that is released while the access to it is being looked up is held next', async () => {
  let allow: (may: boolean) => void = () => {}
  const answer = new Promise<boolean>((resolve) => {
    allow = resolve
  })
  const { locks, a, b } = setUp(60_000, () => answer)
  await locks.acquire('x', a)
  const second = locks.acquire('x', b)
  locks.release('x', a)
  allow(true)
  await second
  assert.is(locks.holder('x'), b)
})

test('the server waits for a bounded time too, and then leaves the queue', async () => {
  const { locks, a, b } = setUp(20)
  await locks.acquire('x', a)
  let ran = false
  const work = locks.waitWith('x', async () => {
    ran = true
  })
  assert.is(await codeOf(work), 'upload_locked')
  locks.release('x', a)
  await locks.acquire('x', b)
  assert.is(locks.holder('x'), b)
  assert.not(ran)
})

test('of several uploads the work gets those that nobody holds, and gives each back also where it fails', async () => {
  const { locks, a, b } = setUp()
  await locks.acquire('x', a)
  let seen: readonly string[] = []
  const work = locks.tryWithAll(['x', 'y', 'z'], async (free) => {
    seen = free
    assert.ok(locks.isHeld('y'))
    assert.not(locks.isHeldByRequest('y'))
    throw new Error('failed')
  })
  assert.is(await codeOf(work), 'Error: failed')
  assert.equal(seen, ['y', 'z'])
  assert.is(locks.holder('x'), a)
  await locks.acquire('z', b)
  assert.not(locks.isHeld('y'))
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
