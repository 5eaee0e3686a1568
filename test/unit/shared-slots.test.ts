import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SharedSlots } from '../../hooks/shared-slots.js'
import { Slots } from '../../hooks/slots.js'
import { UploadError } from '../../server/errors.js'
import type { EndCause, Held, SlotHolder } from '../../server/model/cluster.js'
import { SqlError } from '../../server/model/sql.js'

const test = suite('slots of all nodes')

interface Taking {
  readonly id: string
  readonly waitMs: number
  readonly end: (cause: EndCause) => void
  give(): void
  refuse(): void
  fail(error: Error): void
}

/** Slots over a cluster whose answers a test gives. */
function place({ limit = 10, waitMs = 0 } = {}) {
  let nowMs = 0
  const takings: Taking[] = []
  const released: string[] = []
  const own = new Slots({ limit, limitPerOwner: limit, waitMs, mostWaiting: 10 })
  const take = (id: string, holder: SlotHolder, leftMs: number, gone: AbortSignal) =>
    new Promise<Held | undefined>((resolve, reject) => {
      let isValid = true
      const release = async (): Promise<void> => {
        isValid = false
        released.push(id)
      }
      gone.addEventListener('abort', () => resolve(undefined))
      takings.push({
        ...{ id, waitMs: leftMs },
        end: (cause) => {
          if (cause === 'lost') isValid = false
          holder.end(cause)
        },
        give: () => {
          resolve({
            token: 1,
            get isValid() {
              return isValid
            },
            release,
          })
        },
        refuse: () => resolve(undefined),
        fail: reject,
      })
    })
  const slots = new SharedSlots({ own, cluster: { take }, waitMs, monotonic: () => nowMs })
  const ask = (id: string, { gone = new AbortController().signal, end = () => {} } = {}) =>
    slots.take(id, gone, null, { end, mayInterrupt: () => true })
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { own, takings, released, ask, pass, slots }
}

const turn = () => new Promise(setImmediate)
const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'taken',
    (error: unknown) => (error instanceof UploadError ? error.code : String(error)),
  )

test('"A request takes its local slot first, then the cluster\'s"; both are given back, and PostgreSQL is told before the answer', async () => {
  const { own, takings, released, ask } = place()
  const asked = ask('a')
  await turn()
  assert.equal([own.taken, takings.length], [1, 1])
  takings[0]?.give()
  const giveBack = await asked
  const done = giveBack?.()
  assert.is(own.taken, 0)
  await done
  await giveBack?.()
  assert.equal(released, ['a'])
})

test('no slot of the cluster is asked for where this node has none: slots_full', async () => {
  const { takings, ask } = place({ limit: 1 })
  void ask('a')
  assert.is(await codeOf(ask('b')), 'slots_full')
  assert.equal(
    takings.map(({ id }) => id),
    ['a'],
  )
})

test('a client that leaves the queue of this node has no slot of the cluster', async () => {
  const { own, takings, ask } = place({ limit: 1, waitMs: 30_000 })
  void ask('a')
  const gone = new AbortController()
  const left = ask('b', { gone: gone.signal })
  gone.abort()
  assert.is(await left, null)
  assert.equal([own.taken, takings.length], [1, 1])
})

test('"both are given back on every path": none is free, PostgreSQL is away, the client leaves', async () => {
  const { own, takings, ask } = place()
  const full = codeOf(ask('a'))
  await turn()
  takings[0]?.refuse()
  assert.is(await full, 'slots_full')
  const failed = codeOf(ask('a'))
  await turn()
  takings[1]?.fail(new SqlError('gone', 'connection refused'))
  assert.is(await failed, 'storage_unavailable')
  const gone = new AbortController()
  const left = ask('a', { gone: gone.signal })
  await turn()
  gone.abort()
  assert.is(await left, null)
  assert.is(own.taken, 0)
})

test('"--slot-wait covers both together": the cluster is asked to wait for what the node has left of it', async () => {
  const { takings, ask, pass } = place({ limit: 1, waitMs: 30_000 })
  const first = ask('a')
  await turn()
  takings[0]?.give()
  const giveBack = await first
  void ask('b')
  pass(10_000)
  await giveBack?.()
  await turn()
  assert.equal(
    takings.map(({ id, waitMs }) => [id, waitMs]),
    [
      ['a', 30_000],
      ['b', 20_000],
    ],
  )
})

test('a request that takes over its upload needs no second slot of the cluster; the last one gives it back', async () => {
  const { own, takings, released, ask } = place({ limit: 1 })
  const [first, second] = [ask('a'), ask('a')]
  await turn()
  takings[0]?.give()
  const [one, two] = await Promise.all([first, second])
  await one?.()
  assert.equal(released, [])
  const third = await ask('a')
  await two?.()
  assert.equal([released, own.taken, takings.length], [[], 1, 1])
  await third?.()
  assert.equal([released, own.taken], [['a'], 0])
})

test('a request whose upload gets no slot by an older one asks for itself', async () => {
  const { takings, released, ask } = place()
  const gone = new AbortController()
  const first = ask('a', { gone: gone.signal })
  const second = ask('a')
  await turn()
  gone.abort()
  assert.is(await first, null)
  await turn()
  takings[1]?.give()
  const giveBack = await second
  assert.type(giveBack, 'function')
  await giveBack?.()
  assert.equal(released, ['a'])
})

test('a slot that is lost ends all that share it, and whoever comes then takes another', async () => {
  const { takings, released, ask } = place()
  const ended: string[] = []
  const first = ask('a', { end: () => ended.push('first') })
  const second = ask('a', { end: () => ended.push('second') })
  await turn()
  takings[0]?.give()
  const old = await Promise.all([first, second])
  takings[0]?.end('lost')
  assert.equal(ended, ['first', 'second'])
  const next = ask('a')
  await turn()
  takings[1]?.give()
  const giveBack = await next
  for (const each of old) await each?.()
  await giveBack?.()
  assert.equal([takings.length, released], [2, ['a', 'a']])
})

test.run()
