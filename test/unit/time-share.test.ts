import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TimeShare } from '../../server/uploads/time-share.js'
import { bounded } from '../helpers/test.js'

const WITHIN_MS = 30_000
/** A pause that no test waits for. */
const NEVER_MS = 1e9

const test = suite('time-share')
let nowMs = 0
test.before(() => void mock.method(performance, 'now', () => nowMs))
test.after(() => mock.restoreAll())
// No pause outlives its test, also where the test fails.
const servers: AbortController[] = []
test.after.each(() => {
  for (const server of servers.splice(0)) server.abort()
})

/** A share of a core, for work whose time the test sets; `end` is the end of the server. */
function place(oneOf: number, mostPauseMs = NEVER_MS) {
  const server = new AbortController()
  servers.push(server)
  const share = new TimeShare(() => oneOf, server.signal, mostPauseMs)
  /** Tells whether a step that has worked for so long goes on at once. */
  const goesOn = async (workMs: number): Promise<boolean> => {
    nowMs += workMs
    let isOver = false
    void share.rest().then(() => {
      isOver = true
    })
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    return isOver
  }
  return {
    share,
    goesOn,
    end: () => server.abort(),
    rest: () => bounded(WITHIN_MS, share.rest(), 'the end of a pause'),
  }
}

test('short work goes on at once, and the work of several steps adds up to a pause', async () => {
  const { goesOn, end } = place(NEVER_MS)
  assert.ok(await goesOn(1))
  assert.ok(await goesOn(2))
  assert.not(await goesOn(1))
  end()
})

test('what was done before the work began does not count', async () => {
  const { share, goesOn } = place(NEVER_MS)
  nowMs += 1_000
  share.begin()
  assert.ok(await goesOn(3))
})

test('a pause is as long as the share says: with one of 21 parts of a core, twenty times the work', async () => {
  const { rest } = place(21)
  for (const time of ['first', 'second']) {
    nowMs += 10
    const before = process.hrtime.bigint()
    await rest()
    // A timer may be up to one millisecond early.
    assert.ok(Number(process.hrtime.bigint() - before) >= 199e6, time)
  }
})

test('work that has a core for itself does not wait, and no pause is longer than the longest', async () => {
  const whole = place(1)
  nowMs += 1_000
  await whole.rest()
  const slow = place(10, 1)
  nowMs += NEVER_MS
  await slow.rest()
})

test('while one step pauses the others of the same share do too, and after it they begin again', async () => {
  const { share, goesOn, end, rest } = place(NEVER_MS)
  assert.not(await goesOn(5))
  share.begin()
  assert.not(await goesOn(0), 'it has done nothing, but the pause goes on')
  nowMs += 1_000
  end()
  await rest()
  assert.ok(await goesOn(3), 'the pause is no work')
})

test('the end of the server ends a pause, and later ones do not begin', async () => {
  const { goesOn, end, rest } = place(NEVER_MS)
  assert.not(await goesOn(5))
  end()
  await rest()
  nowMs += 1_000
  await rest()
})

test.run()
