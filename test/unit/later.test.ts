import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Later } from '../../server/model/later.js'
import { Once } from '../../server/model/once.js'

const test = suite('work that is done later, and work that is done once')

const PAUSES_MS = [1, 1]

/** Keeps the process alive, which waiting for a try does not. */
async function alive<T>(promise: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1_000)
  return promise.finally(() => clearInterval(timer))
}

/** Work that fails the first times; resolves with how often it was tried, and what was lost, once it is over. */
function tries(later: Later, failures: number): Promise<{ tried: number; lost: unknown[] }> {
  let tried = 0
  const lost: unknown[] = []
  return alive(
    new Promise((resolve) => {
      // What is lost after a success is seen, too.
      const over = (): void => void setTimeout(() => resolve({ tried, lost }), 10)
      const work = async (): Promise<void> => {
        tried += 1
        if (tried <= failures) throw new Error(`try ${tried}`)
        over()
      }
      later.do(work, (error) => {
        lost.push(error)
        over()
      })
    }),
  )
}

test('work that fails is tried again, until it succeeds', async () => {
  assert.equal(await tries(new Later(PAUSES_MS), 2), { tried: 3, lost: [] })
})

test('work that never succeeds is lost after the last try, with its last error', async () => {
  const { tried, lost } = await tries(new Later(PAUSES_MS), 3)
  assert.is(tried, 3)
  assert.equal(lost.map(String), ['Error: try 3'])
})

test('of too much at once, what comes last is lost at once, and there is room again when the rest is done', async () => {
  const later = new Later(PAUSES_MS)
  const ends: (() => void)[] = []
  const lost: unknown[] = []
  const hang = (): void => {
    const work = () => new Promise<void>((resolve) => ends.push(resolve))
    later.do(work, (error) => lost.push(error))
  }
  for (let i = 0; i < 1_000; i++) hang()
  assert.equal(lost, [])
  hang()
  assert.is(lost.length, 1)
  await alive(
    new Promise<void>((resolve) => {
      const look = (): void => void (ends.length === 1_000 ? resolve() : setImmediate(look))
      look()
    }),
  )
  for (const end of ends.splice(0)) end()
  // Their places are free in the next turns.
  await new Promise<void>((resolve) => setImmediate(resolve))
  assert.equal(await tries(later, 0), { tried: 1, lost: [] })
})

test('work is done once for all who ask, also while it runs, and again after it failed', async () => {
  let done = 0
  const once = new Once(async () => {
    done += 1
    if (done === 1) throw new Error('not yet')
    return done
  })
  const [first, second] = await Promise.allSettled([once.done(), once.done()])
  assert.equal([first.status, second.status, done], ['rejected', 'rejected', 1])
  assert.equal(await Promise.all([once.done(), once.done()]), [2, 2])
  assert.is(await once.done(), 2)
})

test.run()
