import type { IncomingMessage } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { clientOf } from '../../server/http/origin.js'
import { FairLimit } from '../../server/uploads/joining/fair-limit.js'
import { finalDueAtMs } from '../../server/uploads/joining/final-due.js'
import { finalKey } from '../../server/uploads/joining/final-key.js'
import { JoinQueue } from '../../server/uploads/joining/join-queue.js'
import { JoinedFinals } from '../../server/uploads/joining/joined-finals.js'
import { OpenFinals } from '../../server/uploads/joining/open-finals.js'

const test = suite('open finals')

const final = (id: string, ...parts: readonly string[]) => ({
  id,
  owner: null,
  grant: null,
  parts,
  metadata: null,
})
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => `${prefix}${n}`)

function refused(work: () => void): boolean {
  try {
    work()
    return false
  } catch (error) {
    assert.is(error instanceof UploadError && error.code, 'finals_full')
    return true
  }
}

test('nobody may hold more than is still free, and whoever comes later finds room', () => {
  const shares = new FairLimit(1000)
  const fill = (owner: string): number => {
    let held = 0
    for (; shares.hasRoom(owner, 1); held++) shares.take(owner, 1)
    return held
  }
  assert.is(fill('one'), 500)
  assert.is(fill('two'), 250)
  assert.is(fill('three'), 125)
  assert.ok(shares.hasRoom('four', 1))
  shares.giveBack('one', 500)
  assert.ok(shares.hasRoom('two', 1), 'what is given back is there for others')
})

test('a request for many places is refused before one for few', () => {
  const shares = new FairLimit(1000)
  shares.take('one', 460)
  assert.not(shares.hasRoom('one', 30))
  assert.ok(shares.hasRoom('one', 2))
})

test('twenty final uploads of a thousand parts each shut nobody out, not even beside them', () => {
  const finals = new OpenFinals()
  for (let n = 0; n < 20; n++) finals.enter(final(`f${n}`, ...names(`${n}-`, 1000)), '198.51.100.7')
  finals.enter(final('beside', 'a', 'b'), '198.51.100.7')
  finals.enter(final('elsewhere', 'c', 'd'), '203.0.113.9')
})

test('whoever has its share is refused, and others are not', () => {
  const finals = new OpenFinals({ open: 100, names: 1000 })
  let held = 0
  while (!refused(() => finals.enter(final(`f${held}`, `p${held}`), 'one'))) held += 1
  assert.is(held, 50)
  assert.not(refused(() => finals.enter(final('other', 'p'), 'two')))
  finals.delete(final('f0', 'p0'))
  finals.delete(final('f1', 'p1'))
  assert.not(
    refused(() => finals.enter(final('again', 'p'), 'one')),
    'its place is given back',
  )
})

test('a name counts once, however many final uploads name it, and however often', () => {
  const finals = new OpenFinals({ open: 10_000, names: 400 })
  const parts = names('p', 20)
  for (let n = 0; n < 100; n++) finals.enter(final(`f${n}`, ...parts, ...parts), 'one')
  assert.not(refused(() => finals.enter(final('other', ...names('q', 20)), 'two')))
  for (let n = 0; n < 100; n++) {
    assert.ok(finals.isNamed('p0'))
    finals.delete(final(`f${n}`, ...parts, ...parts))
  }
  assert.not(finals.isNamed('p0'))
})

test('a part may be named by any final upload until all are known', () => {
  const finals = new OpenFinals()
  assert.ok(finals.mayBeNamed('p'))
  finals.firstSweepEnded()
  assert.not(finals.mayBeNamed('p'))
  finals.add(final('f', 'p'))
  assert.ok(finals.mayBeNamed('p'))
  assert.not(finals.isNamedByOthers('p'))
  finals.add(final('g', 'p'))
  assert.ok(finals.isNamedByOthers('p'))
})

test('a final upload waits for one part at a time, and is found by it and by its request', () => {
  const finals = new OpenFinals()
  finals.add(final('f', 'a', 'b'))
  const wait = { place: 0, touchedAtMs: 0, dueAtMs: 1 }
  finals.waitFor('f', { ...wait, part: 'a' })
  assert.equal(finals.waitingFor('a'), ['f'])
  finals.waitFor('f', { ...wait, part: 'b', place: 1 })
  assert.equal([finals.waitingFor('a'), finals.waitingFor('b')], [[], ['f']])
  const key = finalKey({ owner: null, grant: null, parts: ['a', 'b'], metadata: null })
  assert.is(finals.madeBy(key), 'f')
  assert.is(finals.madeBy(finalKey({ owner: null, grant: null, parts: ['ab'], metadata: null })), undefined)
  finals.delete(final('f', 'a', 'b'))
  assert.equal([finals.waitingFor('b'), finals.madeBy(key), finals.waitOf('f')], [[], undefined, null])
})

test('where the same request of somebody else has failed, the one that was made before is found again', () => {
  const finals = new OpenFinals()
  const key = finalKey({ owner: null, grant: null, parts: ['a', 'b'], metadata: null })
  finals.enter(final('first', 'a', 'b'), 'one')
  finals.enter(final('second', 'a', 'b'), 'two')
  assert.is(finals.madeBy(key), 'second')
  finals.delete(final('second', 'a', 'b'))
  assert.is(finals.madeBy(key), 'first')
  finals.delete(final('first', 'a', 'b'))
  assert.is(finals.madeBy(key), undefined)
})

test('a joined final upload is remembered for ten minutes by a clock that is never set', () => {
  let ms = 1_000
  const joined = new JoinedFinals(() => ms)
  joined.remember('key', 'id')
  joined.remember('old', 'before', 86_400_000)
  ms += 599_999
  assert.equal(
    [joined.madeBy('key'), joined.madeBy('old')],
    ['id', 'before'],
    'the time when no server ran does not count',
  )
  ms += 1
  assert.equal([joined.madeBy('key'), joined.madeBy('old')], [undefined, undefined])
})

test('of too many joined final uploads the oldest are forgotten, in whatever order they came', () => {
  const joined = new JoinedFinals(() => 0, 10)
  for (const n of [5, 9, 1, 8, 3, 10, 2, 7, 4, 6, 0]) joined.remember(`k${n}`, `${n}`, n)
  assert.is(joined.madeBy('k10'), undefined)
  assert.is(joined.madeBy('k0'), '0')
})

test('of a long queue of joinings only some may be awaited, and four run at once', async () => {
  const ends: (() => void)[] = []
  const queue = new JoinQueue(() => new Promise((resolve) => ends.push(resolve)))
  const added = Array.from({ length: 100 }, (_, n) => queue.add(`f${n}`))
  assert.is(added.filter((each) => each !== null).length, 64)
  assert.is(ends.length, 4)
  for (let done = 0; done < 100; done++) {
    ends[done]?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.not(queue.has('f99'))
  await Promise.all(added)
  assert.is(queue.add('more') === null, false)
})

test('a final upload whose parts never got a byte expires after an hour', () => {
  const terms = { expireAfterMs: 86_400_000 }
  assert.is(finalDueAtMs({ touchedAtMs: 5, hasBytes: false }, terms), 3_600_005)
  assert.is(finalDueAtMs({ touchedAtMs: 5, hasBytes: true }, terms), 86_400_005)
  assert.is(finalDueAtMs({ touchedAtMs: 5, hasBytes: false }, { expireAfterMs: 100 }), 105)
})

const ADDRESSES = [
  ['the address of the connection', '192.0.2.1', {}, false, '192.0.2.1'],
  ['IPv4 in IPv6', '::ffff:192.0.2.1', {}, false, '192.0.2.1'],
  ['the first 64 bits of IPv6', '2001:db8:0:7::1', {}, false, '2001:db8:0:7'],
  ['the same 64 bits in another spelling', '2001:0db8::7:0:0:0:9', {}, false, '2001:db8:0:7'],
  [
    'no header without a proxy that is trusted',
    '192.0.2.1',
    { 'x-forwarded-for': '198.51.100.7' },
    false,
    '192.0.2.1',
  ],
  [
    'the last address, which our proxy wrote',
    '127.0.0.1',
    { 'x-forwarded-for': '1.1.1.1, 198.51.100.7' },
    true,
    '198.51.100.7',
  ],
  [
    'Forwarded',
    '127.0.0.1',
    { forwarded: 'for=1.1.1.1, for="[2001:db8::1]:4711";proto=https' },
    true,
    '2001:db8:0:0',
  ],
  [
    'the connection, where the header names none',
    '127.0.0.1',
    { forwarded: 'for=unknown' },
    true,
    '127.0.0.1',
  ],
] as const

for (const [what, remoteAddress, headers, behindProxy, expected] of ADDRESSES) {
  test(`a client is told by ${what}`, () => {
    const request: Pick<IncomingMessage, 'headers'> & { socket: { remoteAddress: string } } = {
      headers,
      socket: { remoteAddress },
    }
    assert.is(clientOf(request, behindProxy), expected)
  })
}

test.run()
