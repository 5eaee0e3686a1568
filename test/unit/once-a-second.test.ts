import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { onceASecond } from '../../server/once-a-second.js'

const test = suite('once a second')

test.before.each(() => mock.timers.enable({ apis: ['setTimeout'] }))
test.after.each(() => mock.timers.reset())

/** A question whose answers a test gives. */
function place() {
  let nowMs = 0
  const answers: Array<(answer: string) => void> = []
  const ask = onceASecond<string>(() => new Promise((resolve) => answers.push(resolve)), {
    ...{ withinMs: 3_000, late: 'late', monotonic: () => nowMs },
  })
  const pass = (ms: number): void => {
    nowMs += ms
    mock.timers.tick(ms)
  }
  return { answers, ask, pass }
}

test('"asked at most once a second whoever asks"', async () => {
  const { answers, ask, pass } = place()
  const [one, two] = [ask(), ask()]
  answers[0]?.('yes')
  assert.equal([await one, await two, await ask()], ['yes', 'yes', 'yes'])
  pass(999)
  assert.is(await ask(), 'yes')
  assert.is(answers.length, 1)
  pass(1)
  const next = ask()
  answers[1]?.('no')
  assert.is(await next, 'no')
})

test('where the answer does not come, everybody hears so in time, and it is not asked again meanwhile', async () => {
  const { answers, ask, pass } = place()
  const first = ask()
  pass(2_000)
  const second = ask()
  pass(1_000)
  assert.equal([await first, await second], ['late', 'late'])
  pass(60_000)
  const third = ask()
  pass(0)
  assert.is(await third, 'late')
  assert.is(answers.length, 1)
  answers[0]?.('yes')
  await new Promise(setImmediate)
  const fourth = ask()
  assert.is(answers.length, 2)
  answers[1]?.('yes again')
  assert.is(await fourth, 'yes again')
})

test.run()
