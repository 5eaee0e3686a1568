import { setImmediate } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { systemCodeOf } from '../../server/errors.js'
import { Channel, serve } from '../../server/files/channel.js'
import { BytesFault } from '../../server/model/engine-error.js'
import { bounded } from '../helpers/test.js'

const test = suite('channel')

const WITHIN_MS = 30_000

/** Tasks that the test ends one by one, in any order. */
class Held {
  readonly begun: number[] = []
  readonly #ends = new Map<number, (value: number) => void>()

  readonly run = (task: number): Promise<number> => {
    this.begun.push(task)
    return new Promise((resolve) => this.#ends.set(task, resolve))
  }

  end(task: number): void {
    this.#ends.get(task)?.(task)
  }
}

/** Both sides of a channel, in one thread. */
function open<Task>(run: (task: Task) => unknown) {
  const { port1, port2 } = new MessageChannel()
  return { channel: new Channel<Task>(port1), served: serve(port2, run), port: port2 }
}

const soon = <T>(promise: Promise<T>): Promise<T> => bounded(WITHIN_MS, promise, 'the end of a task')

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  soon(promise).then(
    () => 'resolved',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )

test('tasks begin in the order asked, and a task that does not wait ends before the next begins', async () => {
  const steps: string[] = []
  let release = (): void => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const { channel } = open((task: number) => {
    steps.push(`begin ${task}`)
    if (task === 0) return released.then(() => steps.push('end 0'))
    steps.push(`end ${task}`)
    return task
  })
  const [first, ...others] = [0, 1, 2].map((task) => channel.ask(task))
  await soon(Promise.all(others))
  release()
  await soon(Promise.all([first]))
  assert.equal(steps, ['begin 0', 'begin 1', 'end 1', 'begin 2', 'end 2', 'end 0'])
  await soon(channel.close())
})

test('each task gets its own answer, also where a later one ends first', async () => {
  const held = new Held()
  const { channel } = open(held.run)
  const answers = [1, 2].map((task) => channel.ask<number>(task))
  const second = answers[1]?.then((value) => {
    held.end(1)
    return value
  })
  while (held.begun.length < 2) await setImmediate()
  held.end(2)
  assert.equal(await soon(Promise.all([answers[0], second])), [1, 2])
  await soon(channel.close())
})

test('a task that throws or rejects fails alone, and keeps its code', async () => {
  const { channel } = open((task: string) => {
    if (task === 'throws') throw new BytesFault('DAMAGED', 'short')
    return task === 'rejects' ? Promise.reject(new Error('ENOSPC: full')) : task
  })
  const asked = ['throws', 'rejects', 'works'].map((task) => channel.ask(task))
  const [thrown, rejected, worked] = await soon(Promise.allSettled(asked))
  assert.is(thrown?.status === 'rejected' && systemCodeOf(thrown.reason), 'DAMAGED')
  assert.is(rejected?.status === 'rejected' && systemCodeOf(rejected.reason), 'ENOSPC')
  assert.is(worked?.status === 'fulfilled' && worked.value, 'works')
  await soon(channel.close())
})

test('no more than 64 tasks are with the thread at once; the others wait in order', async () => {
  const held = new Held()
  const { channel } = open(held.run)
  const all = Promise.all(Array.from({ length: 70 }, (_, task) => channel.ask(task)))
  while (held.begun.length < 64) await setImmediate()
  for (let turn = 0; turn < 10; turn += 1) await setImmediate()
  assert.is(held.begun.length, 64)
  for (const task of [10, 3]) held.end(task)
  while (held.begun.length < 66) await setImmediate()
  for (let task = 0; task < 70; task += 1) {
    while (held.begun.length <= task) await setImmediate()
    held.end(task)
  }
  await soon(all)
  assert.equal(
    held.begun,
    Array.from({ length: 70 }, (_, task) => task),
  )
  await soon(channel.close())
})

test('closing waits for what is under way, and ends the serving', async () => {
  const held = new Held()
  const { channel, served } = open(held.run)
  const ends: string[] = []
  const asked = channel.ask(1).then(() => ends.push('task'))
  const closed = channel.close().then(() => ends.push('close'))
  while (held.begun.length === 0) await setImmediate()
  held.end(1)
  await soon(Promise.all([asked, closed, served]))
  assert.equal(ends, ['task', 'close'])
})

test('once the thread has ended, what was under way fails with the reason, and so does what comes later', async () => {
  const held = new Held()
  const { channel } = open(held.run)
  const kept: number[] = []
  const ask = (task: number) => messageOf(channel.ask(task, (what) => kept.push(what)))
  const all = Array.from({ length: 70 }, (_, task) => ask(task))
  const closed = channel.close()
  while (held.begun.length < 64) await setImmediate()
  channel.fail(new Error('it died'))
  assert.equal(new Set(await Promise.all(all)), new Set(['it died']))
  assert.is(await ask(71), 'it died')
  assert.equal(kept, Array(71).fill(0), 'nothing is kept of any of them')
  await soon(closed)
})

test.run()
