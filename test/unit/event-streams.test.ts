import { Socket } from 'node:net'
import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createTokenCheck } from '../../server/http/auth/token-check.js'
import { EventStreams } from '../../server/http/events/event-streams.js'
import { ADMIN, type Principal } from '../../server/model/principal.js'
import { FakeExchange, fakeRequest } from '../helpers/fake-exchange.js'
import { record } from '../helpers/record.js'
import { SECRET, signed } from '../helpers/tokens.js'

const test = suite('event streams')
const BEAT_MS = 20_000
const ANN: Principal = { kind: 'user', owner: 'ann', lapsed: null, expiresAt: null }

/** A connection whose client reads, or does not. */
class Client extends Socket {
  isReading = true
  #text = ''

  get text(): string {
    return this.#text
  }

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    this.#take([chunk], done)
  }

  override _writev(chunks: Array<{ chunk: Buffer | string }>, done: () => void): void {
    this.#take(
      chunks.map(({ chunk }) => chunk),
      done,
    )
  }

  #take(chunks: ReadonlyArray<Buffer | string>, done: () => void): void {
    if (!this.isReading) return
    this.#text += chunks.map(String).join('')
    done()
  }
}

/** Streams on a clock that a test sets. */
class Place {
  #nowMs = Date.now()
  readonly streams: EventStreams

  constructor(limit = 10) {
    this.streams = new EventStreams({
      ...{ limit, boot: 'boot', isUploadId: () => true, receiving: () => [], peek: () => undefined },
      clientOf: ({ headers }) => headers.host ?? '',
      ...{ monotonic: () => this.#nowMs, now: () => this.#nowMs, log: { info: () => {}, error: () => {} } },
    })
  }

  /** The time in seconds since 1970. */
  get seconds(): number {
    return this.#nowMs / 1_000
  }

  async open(principal: Principal, { query = '', isReading = true, from = '' } = {}) {
    const exchange = new FakeExchange(fakeRequest('GET', '/api/events', { host: from }))
    const { response } = exchange
    const client = Object.assign(new Client(), { isReading })
    response.assignSocket(client)
    const asked = { exchange, principal, query: new URLSearchParams(query), headers: {} }
    const served = this.streams.serve(asked)
    // Handled by whoever opened the stream; the turn would end the process before.
    served.catch(() => {})
    await turn()
    return { client, response, served }
  }

  announce(number: number, owner: string | null, metadata: string | null = null): void {
    const changed = record(number, { owner, metadata })
    this.streams.listener({ kind: 'created', record: changed, parts: null, request: null })
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms
    mock.timers.tick(ms)
    for (let turns = 0; turns < 10; turns++) await turn()
  }
}

test.before.each(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
test.after.each(() => mock.timers.reset())

test('"A token whose time is over … and nothing else": a stream that was opened before ends too', async () => {
  const place = new Place()
  const exp = Math.ceil(place.seconds) + 15
  const check = await createTokenCheck(
    { authSecret: SECRET, authJwks: null, authIssuer: null, authAudience: null, expireAfterMs: 0 },
    { now: Date.now, monotonic: () => 0, log: { warn: () => {} } },
  )
  const principal = await check?.(await signed({ sub: 'ann', exp }))
  assert.ok(principal)
  const short = await place.open(principal)
  const long = await place.open(ANN)
  await place.pass(BEAT_MS)
  assert.equal([short.response.writableEnded, long.response.writableEnded], [true, false])
  assert.is(place.streams.taken, 1)
  await short.served
  place.streams.close()
})

test('a reader that does not take the end of its stream is dropped, and its place is free', async () => {
  const place = new Place()
  const { response, served } = await place.open(
    { ...ANN, expiresAt: place.seconds + 2 },
    { isReading: false },
  )
  await place.pass(BEAT_MS)
  assert.equal([response.writableEnded, response.destroyed, place.streams.taken], [true, false, 1])
  await place.pass(BEAT_MS)
  assert.equal([response.destroyed, place.streams.taken], [true, 0])
  await served
  place.streams.close()
})

test('"a reader that does not read is dropped", also while it is given what it missed', async () => {
  const place = new Place()
  const first = await place.open(ADMIN)
  for (let number = 1; number <= 10; number++) place.announce(number, null, 'A'.repeat(10_000))
  await place.pass(1_000)
  const query = 'lastEventId=boot-0'
  const silent = await place.open(ADMIN, { query, isReading: false })
  const other = await place.open(ADMIN, { query })
  await place.pass(BEAT_MS)
  await place.pass(BEAT_MS)
  assert.equal([silent.response.destroyed, silent.client.text], [true, ''])
  await silent.served
  for (const { client, response } of [first, other]) {
    assert.not(response.destroyed)
    assert.is(client.text.match(/^event: created$/gm)?.length, 10)
  }
  place.streams.close()
})

test('a newcomer gets the oldest place of whoever has at least two more than it; else 503', async () => {
  const place = new Place()
  const anns = await openMany(place, ANN, 10)
  const [refused] = await openMany(place, ANN, 1, 'b')
  assert.match(String(await refused?.served.catch(String)), 'Too many event streams are open')
  const first = await openMany(place, ADMIN, 1)
  assert.equal([anns[0]?.response.destroyed, anns[1]?.response.destroyed], [true, false])
  const admins = [...first, ...(await openMany(place, ADMIN, 5))]
  assert.equal([kept(anns), await notRefused(admins)], [5, 5], 'the sixth of the admin was refused')
  const bobs = await openMany(place, { ...ANN, owner: 'bob' }, 1)
  const elsewhere = await openMany(place, ADMIN, 1, 'b')
  assert.equal([kept(bobs), kept(elsewhere), place.streams.taken], [1, 1, 10])
  assert.equal([kept(anns), kept(admins.slice(0, 5))], [4, 4])
  place.streams.close()
})

test('with 5 and 4 of 9 a fifth of the second gets 503, and nobody is dropped', async () => {
  const place = new Place(9)
  const [anns, admins] = [await openMany(place, ANN, 5), await openMany(place, ADMIN, 4)]
  const more = await openMany(place, ADMIN, 1)
  assert.match(String(await more[0]?.served.catch(String)), 'Too many event streams are open')
  assert.equal([kept(anns), kept(admins), place.streams.taken], [5, 4, 9])
  place.streams.close()
})

type Opened = Awaited<ReturnType<Place['open']>>

async function openMany(place: Place, principal: Principal, count: number, from = 'a'): Promise<Opened[]> {
  const opened: Opened[] = []
  for (let each = 0; each < count; each++) opened.push(await place.open(principal, { from }))
  return opened
}

function kept(opened: readonly Opened[]): number {
  return opened.filter(({ response }) => !response.destroyed).length
}

/** Streams that were not refused; one that is open, or was dropped, is not over or has ended without an error. */
async function notRefused(opened: readonly Opened[]): Promise<number> {
  const refused = await Promise.all(
    opened.map(({ served }) =>
      Promise.race([
        served.then(
          () => false,
          () => true,
        ),
        turn(false),
      ]),
    ),
  )
  return refused.filter((isRefused) => !isRefused).length
}

test('"exactly its own uploads", also of what was missed, and by the id of another\'s upload', async () => {
  const place = new Place()
  const all = await place.open(ADMIN)
  for (const [number, owner] of [null, 'ann', 'bob', 'ann'].entries()) place.announce(number, owner)
  await place.pass(1_000)
  const own = await place.open(ANN, { query: 'lastEventId=boot-0' })
  const ofBob = await place.open(ANN, { query: `lastEventId=boot-0&id=${record(2).id}` })
  await place.pass(1_000)
  const ids = (text: string): string[] => [...text.matchAll(/"id":"([^"]+)"/g)].map(([, id = '']) => id)
  assert.equal(
    ids(all.client.text),
    [0, 1, 2, 3].map((number) => record(number).id),
  )
  assert.equal(
    ids(own.client.text),
    [1, 3].map((number) => record(number).id),
  )
  assert.equal(ids(ofBob.client.text), [])
  place.streams.close()
})

test('what waits of the progress of an upload is not sent behind the event that ends it', async () => {
  const place = new Place()
  const { client } = await place.open(ADMIN)
  const { listener } = place.streams
  const changed = { parts: null, request: null }
  listener({ kind: 'progress', record: record(1, { offset: 5 }), ...changed })
  listener({ kind: 'finished', record: record(1, { state: 'finished', offset: 10 }), ...changed })
  await place.pass(1_000)
  await place.pass(1_000)
  assert.equal(client.text.match(/^event: .*$/gm), ['event: finished'])
  place.streams.close()
})

test('a stream of a token ends after an hour, so that the token is looked at again; that of the admin does not', async () => {
  const place = new Place()
  const [own, admin] = [await place.open(ANN), await place.open(ADMIN)]
  await place.pass(3_599_000)
  assert.not(own.response.writableEnded)
  await place.pass(BEAT_MS)
  assert.equal([own.response.writableEnded, admin.response.writableEnded], [true, false])
  place.streams.close()
})

test('"The newest events are kept … until nobody has read for a minute"', async () => {
  const place = new Place()
  const first = await place.open(ADMIN)
  place.announce(1, null)
  await place.pass(1_000)
  const leave = async ({ response, served }: typeof first): Promise<void> => {
    response.destroy()
    response.emit('close')
    await served
  }
  await leave(first)
  await place.pass(50_000)
  const second = await place.open(ADMIN, { query: 'lastEventId=boot-0' })
  await place.pass(1_000)
  assert.match(second.client.text, 'event: created')
  await leave(second)
  await place.pass(61_000)
  await place.pass(1_000)
  const third = await place.open(ADMIN, { query: 'lastEventId=boot-0' })
  await place.pass(1_000)
  assert.match(third.client.text, 'event: reset')
  place.streams.close()
})

test.run()
