// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { keepsDeliveries } from '../helpers/deliveries-contract.js'
import { all, call, DONE, FAILED, GONE, idOf, told, until } from '../helpers/deliveries-place.js'
import { type FinishTask, finishedIn, killAfter, makeFacts } from '../helpers/finish-node.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { SqlDeliveriesPlace } from '../helpers/sql-deliveries-place.js'

interface Context {
  place: SqlDeliveriesPlace
  postgres: Postgres
}

const deliveries = suite<Context>('deliveries in PostgreSQL')
const test = needsPostgres(deliveries)

test.before(async (context) => {
  context.postgres = await startPostgres()
})
test.before.each(async (context) => {
  context.place = new SqlDeliveriesPlace(await context.postgres.database())
})
test.after.each(({ place }) => place.leave())
test.after(({ postgres }) => postgres.kill())

keepsDeliveries(test)

const LONG = { scheduleMs: [0, 3_600_000, 3_600_000] }
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

test('"at least once": a node is killed at any moment of a finish, and another one notifies of what is finished', async ({
  place,
}) => {
  const node = await place.start({ finished: (id) => finishedIn(place.sql, id) })
  await makeFacts(place.sql)
  const steps = ['intended', 'stored', 'confirmed', 'kept'] as const
  const tasks: FinishTask[] = numbers(8).map((number) => ({ number, until: steps[number % 4] ?? 'kept' }))
  await killAfter(place.url, tasks, 'ready')
  const finished = tasks.filter((task) => task.until !== 'intended').map(({ number }) => number)
  await told(place, node, finished.length)
  // Its endpoint has none of them, and the upload that is not finished has none.
  assert.equal(place.endpoint.told.toSorted(), finished.map((number) => `post-finish ${number}`).toSorted())
  await place.sql.query('INSERT INTO facts VALUES ($1, $2)', [idOf(4), 4])
  await until('the one that a stopped node stores later', () => place.endpoint.told.includes('post-finish 4'))
})

test('a node is killed while it sends: another one sends that event, under its id', async ({ place }) => {
  const node = await place.start({ finished: (id) => finishedIn(place.sql, id) })
  await makeFacts(place.sql)
  await place.end()
  await killAfter(place.url, [{ number: 1, until: 'kept' }], 'sending')
  const again = await place.start({ finished: (id) => finishedIn(place.sql, id) })
  const [pending] = await all(again, 'pending')
  await told(place, again, 1)
  assert.equal([place.endpoint.told, place.endpoint.tries[0]?.deliveryId], [['post-finish 1'], pending?.id])
  assert.equal(node.numbers.stopped, [])
})

test('two nodes send each event once, those of an upload in order, whoever was told of them', async ({
  place,
}) => {
  const nodes = [await place.start(), await place.start()] as const
  const events = ['post-create', 'post-finish', 'post-terminate'] as const
  const running = new Map<number, number>()
  place.endpoint.answer = async ({ number }) => {
    assert.is(running.get(number) ?? 0, 0, 'one event of an upload at a time')
    running.set(number, 1)
    await new Promise((resolve) => setTimeout(resolve, 1))
    running.set(number, 0)
    return DONE
  }
  await Promise.all(
    numbers(60).map(async (number) => {
      for (const [place, event] of events.entries()) {
        const node = nodes[(number + place) % 2 === 0 ? 0 : 1]
        node.notify(call(event, number))
        await node.settled(idOf(number))
      }
    }),
  )
  await told(place, nodes[0], 180)
  for (const number of numbers(60)) {
    const of = place.endpoint.tries.filter((made) => made.number === number).map(({ event }) => event)
    assert.equal(of, [...events], `upload ${number}`)
  }
})

test('an event that comes while the one before it is sent is not left, whichever node it comes to', async ({
  place,
}) => {
  const nodes = [await place.start(), await place.start()] as const
  place.endpoint.answer = async ({ event, number }) => {
    if (event !== 'post-create') return DONE
    const node = nodes[number % 2 === 0 ? 0 : 1]
    node.notify(call('post-terminate', number))
    await node.settled(idOf(number))
    return DONE
  }
  for (const number of numbers(4)) nodes[0].notify(call('post-create', number))
  await told(place, nodes[0], 8)
})

test('"/api/deliveries lists and /resend works on any node": what failed at one goes out by the other', async ({
  place,
}) => {
  const { endpoint } = place
  endpoint.answer = ({ event }) => (event === 'post-create' ? FAILED : DONE)
  const one = await place.start()
  for (const number of [1, 2, 3]) one.notify(call('post-create', number))
  await until('the failures', () => one.numbers.failed === 3)
  const two = await place.start()
  await until('the count of the other node', () => two.numbers.failed === 3)
  const failed = await all(two, 'failed')
  assert.equal(await all(one, 'failed'), failed)
  const first = await two.list('failed', undefined, 2)
  const rest = await two.list('failed', first.next ?? '', 2)
  assert.equal([...first.deliveries, ...rest.deliveries], failed)
  assert.is(rest.next, null)
  await place.end()
  const third = await place.start()
  endpoint.answer = () => DONE
  endpoint.tries.length = 0
  const shown = await third.resend(failed[0]?.id ?? '')
  assert.equal([shown?.state, shown?.attempts], ['pending', 0])
  await told(place, third, 1)
  assert.equal([endpoint.tries.length, (await all(third, 'failed')).length], [1, 2])
})

test('"410 stops the endpoint" on all nodes, and one that is sent again on any node begins it again', async ({
  place,
}) => {
  const { endpoint } = place
  const [one, two] = [await place.start(), await place.start()]
  endpoint.answer = () => GONE
  one.notify(call('post-create', 1))
  await until('the end', () => one.numbers.stopped.length > 0 && two.numbers.stopped.length > 0)
  two.notify(call('post-create', 2))
  await until('the second failure', async () => (await all(two, 'failed')).length === 2)
  assert.equal(endpoint.told, ['post-create 1'])
  endpoint.answer = () => DONE
  await two.resend((await all(two, 'failed'))[0]?.id ?? '')
  one.notify(call('post-create', 3))
  await told(place, one, 3)
  assert.equal(endpoint.told.slice(1).toSorted(), ['post-create 2', 'post-create 3'])
})

test('a restart of a node leaves the schedule as it is: other nodes have kept it', async ({ place }) => {
  const { endpoint } = place
  endpoint.answer = () => FAILED
  const before = await place.start(LONG)
  before.notify(call('post-create', 1))
  await until('a failure', async () => (await all(before, 'pending'))[0]?.attempts === 1)
  const after = await place.restart(LONG)
  after.notify(call('post-create', 2))
  await until('the other one', () => endpoint.tries.length > 0)
  assert.equal(endpoint.told, ['post-create 2'])
})

test('while PostgreSQL is away events wait in bounded memory, a finish is refused, and nothing is lost before its bound', async ({
  place,
  postgres,
}) => {
  const one = await place.start({ limits: { memoryBytes: 5_000 } })
  one.notify(call('post-create', 1))
  await told(place, one, 1)
  await one.intend(idOf(2))
  await postgres.kill()
  const refused = await one.intend(idOf(3)).catch((error: unknown) => error)
  assert.is(refused instanceof UploadError && refused.code, 'storage_unavailable')
  const unlisted = await one.list('pending', undefined, 1).catch((error: unknown) => error)
  assert.is(unlisted instanceof UploadError && unlisted.code, 'storage_unavailable')
  for (const number of numbers(20)) one.notify(call('post-terminate', number))
  one.confirm(call('post-finish', 2))
  const lost = () => place.log.filter((line) => line.startsWith('an event is lost')).length
  assert.ok(lost() > 0 && lost() < 20, `${lost()} lost`)
  await postgres.restart()
  await told(place, one, 2 + 20 - lost())
  assert.is(place.endpoint.told.filter((each) => each === 'post-finish 2').length, 1)
  await one.intend(idOf(3))
  one.confirm(call('post-finish', 3))
  await until('the next finish', () => place.endpoint.told.includes('post-finish 3'))
})

test('a finish whose answer was lost has its post-finish, though the next request goes to another node', async ({
  place,
}) => {
  const one = await place.start({ finished: async () => call('post-finish', 1).upload })
  await one.intend(idOf(1))
  await one.failed(idOf(1))
  await until('its event', () => place.endpoint.told.includes('post-finish 1'))
  await told(place, one, 1)
  assert.equal(place.endpoint.told, ['post-finish 1'])
})

test('the mark of a node that died is written out before the files of its upload go', async ({ place }) => {
  const one = await place.start({ limits: { finishes: 1 } })
  place.finished.add(idOf(1))
  await place.sql.query(`INSERT INTO delivery_marks VALUES ('http', $1, $2, NULL, 'x', now(), 'infinity')`, [
    idOf(1),
    `msg_${idOf(1)}_${'0'.repeat(24)}`,
  ])
  await one.written(idOf(1))
  assert.is((await all(one, 'pending')).length + (await all(one, 'done')).length, 1)
  await told(place, one, 1)
})

test('an upload that another node finishes has one post-finish, under the mark that was there', async ({
  place,
}) => {
  const [one, two] = [await place.start(), await place.start()]
  one.expect(idOf(1))
  await one.intend(idOf(1))
  await two.intend(idOf(1))
  // What the first node takes away was taken over.
  one.forget(idOf(1))
  two.confirm(call('post-finish', 1))
  await told(place, two, 1)
  const { rows } = await place.sql.query('SELECT * FROM delivery_marks')
  assert.equal([place.endpoint.told, rows], [['post-finish 1'], []])
})

test('"of notices of progress none comes behind a post-finish", whichever node adds it', async ({
  place,
}) => {
  const { endpoint } = place
  const one = await place.start({ progressIntervalMs: 50 })
  // It sends nothing: the node that has notices sends all.
  const two = await place.start({ limits: { places: 0 } })
  endpoint.answer = async ({ event }) => {
    if (event === 'post-create') {
      one.notify(call('post-receive', 1))
      await two.intend(idOf(1))
      two.confirm(call('post-finish', 1))
      await two.settled(idOf(1))
    }
    if (event === 'post-finish') {
      one.notify(call('post-receive', 1))
      two.notify(call('post-terminate', 1))
      await two.settled(idOf(1))
    }
    return DONE
  }
  one.notify(call('post-create', 1))
  await told(place, one, 3)
  one.notify(call('post-receive', 1))
  // A notice of another upload goes out at once, and the next one an interval later.
  for (const times of [1, 2]) {
    one.notify(call('post-receive', 2))
    await until('a notice', () => endpoint.told.filter((each) => each === 'post-receive 2').length === times)
  }
  assert.equal(
    endpoint.told.filter((each) => each.endsWith(' 1')),
    ['post-create 1', 'post-finish 1', 'post-terminate 1'],
  )
})

test('of what is over the newest is kept, within a bound of bytes', async ({ place }) => {
  const one = await place.start({ limits: { doneBytes: 3_000 } })
  for (const number of numbers(30)) {
    one.notify(call('post-create', number))
    await one.settled(idOf(number))
  }
  await told(place, one, 30)
  one.notify(call('post-create', 31))
  await until('the bound', async () => (await all(one, 'done')).length < 8)
  await until('the newest', async () => (await all(one, 'done'))[0]?.uploadId === idOf(31))
})

deliveries.run()
