import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { Body, BodyEnd } from '../../server/model/body.js'
import type { ClusterLocks, EndCause, Held } from '../../server/model/cluster.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import { UploadRequest } from '../../server/model/request.js'
import { SqlError } from '../../server/model/sql.js'
import { type MayInterrupt, UploadLocks } from '../../server/tus/locker.js'
import { eventually } from '../helpers/server.js'

const WITHIN_MS = 30_000

/** What all nodes share: who holds each upload, and who waits until one is free. */
class Shared {
  readonly holders = new Map<string, (cause: EndCause) => void>()
  readonly asked: string[] = []
  #waiting: (() => void)[] = []
  #tokens = 0
  isValid = true
  failure: Error | undefined

  take(id: string, end: (cause: EndCause) => void): Held | undefined {
    if (this.failure) throw this.failure
    if (this.holders.has(id)) return undefined
    this.holders.set(id, end)
    this.#tokens += 1
    const isValid = (): boolean => this.isValid
    return {
      token: this.#tokens,
      get isValid() {
        return isValid()
      },
      release: async () => {
        this.holders.delete(id)
        // Other nodes hear of it later than this one.
        setTimeout(() => {
          for (const wake of this.#waiting.splice(0)) wake()
        }, 1)
      },
    }
  }

  async free(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

function clusterLocks(shared: Shared): ClusterLocks {
  return {
    tryAcquire: async (id, end) => shared.take(id, end),
    acquire: async (id, end, waitMs) => {
      for (;;) {
        const held = shared.take(id, end)
        if (held || waitMs < 1_000) return held
        shared.asked.push(id)
        shared.holders.get(id)?.('asked')
        await shared.free()
      }
    },
  }
}

class Request extends UploadRequest {
  readonly ends: string[]

  constructor() {
    const ends: string[] = []
    const body: Body = {
      isStopped: false,
      drain: (): Promise<BodyEnd> => Promise.resolve('complete'),
      stop: (cause) => void ends.push(cause),
    }
    super({
      ...{ id: 'x', method: 'PATCH', principal: ANONYMOUS, body },
      ...{ headers: {}, checksum: null, trailing: null, creation: null },
    })
    this.ends = ends
  }
}

/** Two nodes, and some requests. */
function setUp({ waitMs = 60_000, mayInterrupt = (() => true) as MayInterrupt } = {}) {
  const shared = new Shared()
  const node = () => new UploadLocks({ waitMs, mostWaiting: 2 }, mayInterrupt, clusterLocks(shared))
  return { shared, one: node(), two: node(), a: new Request(), b: new Request(), c: new Request() }
}

/** Resolves once a request was ended so often. */
async function untilEnded({ ends }: Request, times: number): Promise<void> {
  await eventually(WITHIN_MS, 'the end', async () => ends.length >= times || undefined)
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof UploadError ? error.code : String(error)
}

test('a server alone grants a free upload at once, without waiting for anything', async () => {
  const locks = new UploadLocks({ waitMs: 60_000, mostWaiting: 2 }, () => true)
  const [a, b] = [new Request(), new Request()]
  const first = locks.acquire('x', a)
  assert.is(locks.holder('x'), a)
  locks.release('x', a)
  const second = locks.acquire('x', b)
  assert.is(locks.holder('x'), b)
  await Promise.all([first, second])
})

test('a newcomer on another node ends the PATCH that holds the upload, and gets it then', async () => {
  const { one, two, a, b } = setUp()
  await one.acquire('x', a)
  const second = two.acquire('x', b)
  await untilEnded(a, 1)
  assert.equal(a.ends, ['taken_over'])
  one.release('x', a)
  await second
  assert.is(two.holder('x'), b)
  assert.equal(b.ends, [])
})

test('nobody is asked for an upload by a request for which it is not there', async () => {
  const { shared, one, two, a, b } = setUp({ mayInterrupt: (_id, request) => request === a })
  await one.acquire('x', a)
  assert.is(await codeOf(two.acquire('x', b)), 'upload_unknown')
  assert.equal(shared.asked, [])
  assert.equal(a.ends, [])
  assert.not(two.isHeld('x'))
})

test('before the next request of a node gets the upload, the other nodes may have it', async () => {
  const { one, two, a, b, c } = setUp()
  const order: string[] = []
  await one.acquire('x', a)
  const here = one.acquire('x', b).then(() => order.push('here'))
  const there = two.acquire('x', c).then(() => {
    order.push('there')
    two.release('x', c)
  })
  await untilEnded(a, 2)
  one.release('x', a)
  await Promise.all([here, there])
  assert.equal(order, ['there', 'here'])
})

test('a request whose node has lost its lease is ended, and is not answered as if it had the upload', async () => {
  const { shared, one, a, b } = setUp()
  await one.acquire('x', a)
  shared.isValid = false
  shared.holders.get('x')?.('lost')
  assert.equal(a.ends, ['taken_over'])
  assert.is(await codeOf(Promise.resolve().then(() => one.release('x', a))), 'upload_taken_over')
  shared.isValid = true
  await one.acquire('x', b)
  one.release('x', b)
})

test('where another node keeps the upload for too long the answer is 423, without the database 503; the next one may try', async () => {
  const { shared, one, two, a, b, c } = setUp({ waitMs: 100 })
  await one.acquire('x', a)
  assert.is(await codeOf(two.acquire('x', b)), 'upload_locked')
  shared.failure = new SqlError('gone', 'away')
  assert.is(await codeOf(two.acquire('x', b)), 'storage_unavailable')
  assert.not(two.isHeld('x'))
  shared.failure = undefined
  one.release('x', a)
  await two.acquire('x', c)
})

test('the server works on an upload that no node has, and on no other', async () => {
  const { one, two, a } = setUp()
  await one.acquire('x', a)
  const done: string[] = []
  await two.tryWith('x', async () => void done.push('x'))
  await two.tryWithAll(['x', 'y', 'z'], async (free) => void done.push(...[...free].sort()))
  assert.equal(done, ['y', 'z'])
  assert.not(two.isHeld('x') || two.isHeld('y') || two.isHeld('z'))
  await one.tryWith('y', async () => void done.push('again'))
  assert.equal(done, ['y', 'z', 'again'])
})

test('work that waits for an upload ends the request of another node', async () => {
  const { one, two, a } = setUp()
  await one.acquire('x', a)
  const done: string[] = []
  const work = two.waitWith('x', async () => void done.push('x'))
  await untilEnded(a, 1)
  one.release('x', a)
  await work
  assert.equal(done, ['x'])
})

test.run()
