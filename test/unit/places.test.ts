import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Places } from '../../hooks/http/places.js'

const test = suite('places')

const NEVER = new AbortController().signal

/** Work that ends when it is told to. */
function task(): { work: () => Promise<string>; end: () => void; hasBegun: () => boolean } {
  let [begun, end] = [false, (): void => {}]
  const ended = new Promise<string>((resolve) => {
    end = () => resolve('done')
  })
  const work = (): Promise<string> => {
    begun = true
    return ended
  }
  return { work, end, hasBegun: () => begun }
}

test('runs as much at once as there are places, and the others in order', async () => {
  const places = new Places(2)
  const tasks = [task(), task(), task(), task()]
  const runs = tasks.map(({ work }) => places.run(NEVER, work))
  const begun = (): boolean[] => tasks.map(({ hasBegun }) => hasBegun())
  assert.equal(begun(), [true, true, false, false])
  tasks[1]?.end()
  await runs[1]
  await new Promise(setImmediate)
  assert.equal(begun(), [true, true, true, false])
  for (const { end } of tasks) end()
  assert.equal(await Promise.all(runs), ['done', 'done', 'done', 'done'])
})

test('gives a place back where work rejects, and forgets who waits no longer', async () => {
  const places = new Places(1)
  const first = task()
  const running = places.run(NEVER, first.work)
  const impatient = new AbortController()
  const left = places.run(impatient.signal, task().work)
  impatient.abort(new Error('too late'))
  const error = await left.catch((reason: unknown) => String(reason))
  assert.is(error, 'Error: too late')
  first.end()
  await running
  const failing = places.run(NEVER, () => Promise.reject(new Error('a fault')))
  assert.is(await failing.catch((reason: unknown) => String(reason)), 'Error: a fault')
  const last = task()
  last.end()
  assert.is(await places.run(NEVER, last.work), 'done')
})

test.run()
