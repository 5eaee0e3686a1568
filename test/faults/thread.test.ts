import workers from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemCodeOf } from '../../server/errors.js'
import { Thread, ThreadEnded } from '../../server/files/thread.js'
import { Arena } from '../../server/intake/arena.js'
import { bounded } from '../helpers/test.js'
import type { TestTask } from '../helpers/thread-main.js'

const test = suite('thread')

const WITHIN_MS = 30_000
const SCRIPT = new URL('../helpers/thread-main.js', import.meta.url).href
const arena = new Arena({ blocks: 1, blockBytes: 16 })

function start() {
  const ends: ThreadEnded[] = []
  const thread = new Thread<TestTask>(SCRIPT, { arena, ended: (error) => ends.push(error) })
  const ask = <T>(task: TestTask): Promise<T> => bounded(WITHIN_MS, thread.ask<T>(task), `the end of ${task}`)
  return { thread, ask, ends }
}

const thrownBy = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

/** Ways in which a thread ends, and what is logged as the cause. */
const ENDS: Readonly<Partial<Record<TestTask, string>>> = {
  exit: 'worker exited with code: 3',
  throw: 'a deliberate fault',
  eat: 'memory limit',
}

for (const [task, cause] of Object.entries(ENDS)) {
  test(`"A thread that dies rejects what was under way, and the next request gets a new one": ${task}`, async () => {
    const { thread, ask, ends } = start()
    const first = await ask<number>('who')
    const never = thrownBy(ask('never'))
    const fatal = thrownBy(thread.ask(task === 'exit' || task === 'throw' ? task : 'eat'))
    for (const error of await bounded(WITHIN_MS, Promise.all([never, fatal]), 'the rejections'))
      assert.instance(error, ThreadEnded)
    assert.is(ends.length, 1)
    assert.match(String(ends[0]?.cause), cause)
    const second = await ask<number>('who')
    assert.is.not(second, first)
    assert.is(await ask('who'), second)
    await bounded(WITHIN_MS, thread.close(), 'the end of the thread')
    assert.is(ends.length, 1)
  })
}

for (const startsNow of [true, false]) {
  test(`a thread that cannot start rejects what it is asked, each time: ${startsNow ? 'at once' : 'when asked'}`, async () => {
    const ends: ThreadEnded[] = []
    const tools = { arena, ended: (error: ThreadEnded) => ends.push(error) }
    const thread = new Thread('file:///nowhere/thread.js', tools, startsNow)
    for (const time of [1, 2, 3]) {
      const error = await thrownBy(bounded(WITHIN_MS, thread.ask({}), 'the rejection'))
      assert.instance(error, ThreadEnded)
      assert.match(String(error instanceof Error && error.cause), 'nowhere')
      assert.is(ends.length, time)
    }
    await bounded(WITHIN_MS, thread.close(), 'the end of the thread')
  })
}

/** Runs `work` while the system gives no thread. */
async function withoutThreads(refused: Error, work: () => Promise<void>): Promise<void> {
  const real = workers.Worker
  class None {
    constructor() {
      throw refused
    }
  }
  Object.assign(workers, { Worker: None })
  try {
    await work()
  } finally {
    Object.assign(workers, { Worker: real })
  }
}

for (const [reason, code] of [
  ['EAGAIN', ''],
  ['EMFILE', 'EMFILE'],
] as const) {
  test(`where the system gives no thread, what is asked is rejected, and a later task gets one: ${reason}`, async () => {
    const refused = new Error(`Worker initialization failure: ${reason}`)
    const ends: ThreadEnded[] = []
    const tools = { arena, ended: (error: ThreadEnded) => ends.push(error) }
    const thread = new Thread<TestTask>(SCRIPT, tools, false)
    const ask = (): Promise<number> => bounded(WITHIN_MS, thread.ask<number>('who'), 'the answer')
    await withoutThreads(refused, async () => {
      for (const time of [1, 2]) {
        const error = await thrownBy(ask())
        assert.instance(error, ThreadEnded)
        // What may wait for a descriptor knows by the code that it has to.
        assert.is(systemCodeOf(error), code)
        assert.is(ends.length, time)
        assert.is(ends.at(-1)?.cause, refused)
      }
    })
    assert.type(await ask(), 'number')
    await bounded(WITHIN_MS, thread.close(), 'the end of the thread')
  })
}

test('a thread that has ended and was not asked again does not hold up the end of the engine', async () => {
  const { thread, ask, ends } = start()
  assert.instance(await thrownBy(ask('exit')), ThreadEnded)
  await bounded(WITHIN_MS, thread.close(), 'the end of the thread')
  assert.is(ends.length, 1)
  assert.match(String(await thrownBy(ask('who'))), 'the storage engine has ended')
})

test('a thread that ends while the engine does rejects what was under way', async () => {
  const { thread, ask } = start()
  await ask('who')
  const never = thrownBy(ask('never'))
  const exit = thrownBy(ask('exit'))
  await bounded(WITHIN_MS, thread.close(), 'the end of the thread')
  assert.instance(await never, ThreadEnded)
  assert.instance(await exit, ThreadEnded)
})

test.run()
