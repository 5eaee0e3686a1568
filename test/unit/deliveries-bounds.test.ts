import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Agenda } from '../../hooks/delivery/agenda.js'
import { EndpointQueue } from '../../hooks/delivery/endpoint-queue.js'
import { History } from '../../hooks/delivery/history.js'
import { MemoryBudget } from '../../hooks/delivery/memory-budget.js'
import { ProgressNotices } from '../../hooks/delivery/progress-notices.js'
import { SCHEDULE_MS, waitAfter } from '../../hooks/delivery/schedule.js'
import { Spool } from '../../hooks/delivery/spool.js'
import { newLine, overLine, readPending, triedLine } from '../../hooks/delivery/spool-lines.js'
import {
  all,
  call,
  type DeliveriesPlace,
  DONE,
  FAILED,
  FakeEndpoint,
  idOf,
  told,
  until,
  withPlace,
} from '../helpers/deliveries-place.js'

const test = suite<{ place: DeliveriesPlace }>('bounds of deliveries')

withPlace(test)

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

test('the schedule is that of Standard Webhooks, spread by a tenth', () => {
  const minutes = SCHEDULE_MS.map((ms) => ms / 60_000)
  assert.equal(minutes, [0, 5 / 60, 5, 30, 120, 300, 600, 840, 1200, 1440])
  const wait = (step: number, random: number, afterMs: number | null = null): number | null =>
    waitAfter(step, { scheduleMs: [0, 1_000], afterMs, random })
  assert.equal([wait(1, 0), wait(1, 0.5), wait(1, 1), wait(2, 0.5)], [900, 1_000, 1_100, null])
})

test('"Retry-After is obeyed", for a day at most and never to try earlier', () => {
  const wait = (afterMs: number): number | null =>
    waitAfter(1, { scheduleMs: [0, 1_000], afterMs, random: 0.5 })
  assert.equal([wait(5_000), wait(10), wait(-1), wait(1e12)], [5_000, 1_000, 1_000, 86_400_000])
})

test('a line that a crash has torn is left out, and what was written after it counts', () => {
  const kept = (number: number) => ({ id: `msg_${number}`, createdAt: '', call: call('post-create', number) })
  const [one, two, three] = [1, 2, 3].map((number) => newLine(kept(number)))
  const tried = triedLine('msg_1', { attempts: 1, step: 1, nextAtMs: 5, lastError: 'no' })
  const text = `\n${one}\n${two?.slice(0, 40)}\n${'\0'.repeat(64)}\n${tried}\n${three}\n${overLine('msg_3').slice(0, -2)}`
  assert.equal(
    readPending(text).map(({ id, attempts, nextAtMs }) => [id, attempts, nextAtMs]),
    [
      ['msg_1', 1, 5],
      ['msg_3', 0, 0],
    ],
  )
  for (let length = 0; length < text.length; length += 1) readPending(text.slice(0, length))
})

test('an event that could not be written goes out with the next one of its upload', async ({ place }) => {
  const spool = await Spool.open(join(place.root, 'http'), null)
  const lineOf = (id: string): string => newLine({ id, createdAt: '', call: call('post-create') })
  const path = join(spool.folder, `${idOf(1)}.jsonl`)
  mkdirSync(path)
  const kept = spool.keep(idOf(1), { line: lineOf('msg_2'), written: () => {} })
  assert.match(await kept.then(String, String), 'EISDIR')
  rmdirSync(path)
  writeFileSync(path, lineOf('msg_1'))
  assert.equal(
    (await spool.end(idOf(1), ['msg_1'])).map(({ id }) => id),
    ['msg_2'],
  )
  spool.close()
})

test('a line that is written twice counts once', () => {
  const line = newLine({ id: 'msg_1', createdAt: '', call: call('post-create') })
  assert.is(readPending(`\n${line}\n${line}`).length, 1)
  assert.is(readPending(`\n${line}\n${overLine('msg_1')}\n${line}`).length, 1)
})

test('a full agenda leaves the latest to the disk, but none that runs', () => {
  const agenda = new Agenda(2)
  agenda.wake('a', 10)
  agenda.wake('b', 20)
  const first = agenda.next(10, { retries: true })
  if (first) first.isRunning = true
  agenda.wake('c', 30)
  assert.equal([agenda.has('c'), agenda.leftMs], [false, 30])
  agenda.wake('d', 15)
  assert.equal([agenda.has('a'), agenda.has('b'), agenda.has('d'), agenda.leftMs], [true, false, true, 20])
  assert.equal([agenda.hasRoom(14), agenda.hasRoom(15)], [true, false])
})

test('a try that becomes due between two looks at the clock is made all the same', async ({ place }) => {
  const looked: string[] = []
  const spool = await Spool.open(join(place.root, 'http'), null)
  const history = new History({ folder: spool.folder, name: 'done', mostBytes: 1_000, headers: false })
  const nothing = (): void => {}
  let ms = 0
  const queue = new EndpointQueue({
    ...{ name: 'http', spool, done: history, failed: history, scheduleMs: [0], randomHex: () => '' },
    notifier: { goneReason: null, notify: async () => DONE },
    progress: { take: (id) => void looked.push(id) },
    log: { info: nothing, warn: nothing, error: nothing },
    limits: { uploads: 2, places: 2, retryPlaces: 1, faultPauseMs: 1 },
    now: () => ms++,
  })
  queue.open()
  queue.wake(idOf(1), { dueMs: ms + 1 })
  await until('the try', () => looked.length > 0)
  assert.equal(looked, [idOf(1)])
  await queue.close()
})

test('more uploads than the agenda holds are found on the disk, after a restart and without one', async ({
  place,
}) => {
  const { endpoint } = place
  endpoint.answer = () => FAILED
  const options = { limits: { uploads: 4, places: 2, retryPlaces: 1 } }
  const deliveries = await place.start({ ...options, scheduleMs: [0, 200, 200] })
  for (const number of numbers(30)) deliveries.notify(call('post-create', number))
  await until('a try for each', () => new Set(endpoint.told).size === 30)
  endpoint.answer = () => DONE
  await until('an empty spool', () => deliveries.numbers.pending === 0)
  assert.is((await all(deliveries, 'done')).length + deliveries.numbers.failed, 30)

  endpoint.answer = () => FAILED
  const before = await place.restart({ ...options, scheduleMs: [0, 3_600_000] })
  for (const number of numbers(30)) before.notify(call('post-finish', number))
  await until('a try for each', () => new Set(endpoint.told).size === 30)
  endpoint.answer = () => DONE
  const after = await place.restart(options)
  await told(place, after, 30)
  assert.is(new Set(endpoint.told).size, 30)
})

test('notices take no more memory than there is, and give back what they took', () => {
  const budget = new MemoryBudget(3_000)
  const notices = new ProgressNotices(1_000_000, budget, () => {})
  for (const number of numbers(50)) notices.put(call('post-receive', number))
  for (const number of numbers(50)) notices.put(call('post-receive', number))
  assert.ok(budget.taken > 0 && budget.taken <= 3_000)
  notices.close()
  assert.is(budget.taken, 0)
})

test('what has failed and what is done is kept within a bound, the newest of it', async ({ place }) => {
  const { endpoint } = place
  const deliveries = await place.start({ limits: { doneBytes: 5_000 } })
  for (const number of numbers(40)) {
    deliveries.notify(call('post-create', number))
    await told(place, deliveries, number)
  }
  await until('the last one', async () => (await all(deliveries, 'done'))[0]?.uploadId === idOf(40))
  const done = await all(deliveries, 'done')
  assert.ok(done.length >= 4 && done.length < 20, `${done.length} are kept`)
  assert.equal(
    done.map(({ uploadId }) => uploadId),
    numbers(40).slice(-done.length).reverse().map(idOf),
  )
  assert.is(endpoint.tries.length, 40)
})

test('pages have each delivery once, whatever its state and its endpoint', async ({ place }) => {
  const other = new FakeEndpoint('module')
  const hang = (): Promise<never> => new Promise(() => {})
  place.endpoint.answer = ({ event }) => (event === 'post-finish' ? hang() : DONE)
  other.answer = ({ event }) => (event === 'post-finish' ? hang() : FAILED)
  const deliveries = await place.start({ endpoints: [place.endpoint, other], scheduleMs: [0] })
  for (const number of numbers(7))
    for (const event of ['post-create', 'post-finish'] as const) deliveries.notify(call(event, number))
  await until('all', () => place.endpoint.tries.length === 14 && other.tries.length === 14)
  await until('the histories', async () => {
    return (await all(deliveries, 'done')).length + (await all(deliveries, 'failed')).length === 14
  })
  for (const [state, count] of [
    ['pending', 14],
    ['done', 7],
    ['failed', 7],
  ] as const) {
    const seen: string[] = []
    let next: string | undefined
    do {
      const page = await deliveries.list(state, next, 3)
      assert.ok(page.deliveries.length <= 3)
      seen.push(...page.deliveries.map(({ id }) => id))
      next = page.next ?? undefined
    } while (next !== undefined)
    assert.equal([seen.length, new Set(seen).size], [count, count], state)
  }
  await deliveries.close(1)
})

test.run()
