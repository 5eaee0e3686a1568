import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import type { UploadRecord } from '../../server/model/record.js'
import type { RecordStore } from '../../server/model/record-store.js'
import {
  EVERY_UPLOAD,
  LIST_START,
  type ListPlace,
  type UploadFilter,
} from '../../server/model/upload-list.js'
import { record } from './record.js'
import type { StorePlace } from './record-store-contract.js'

const WITHIN_MS = 30_000
const STATES = ['receiving', 'paused', 'finished', 'refused', 'expired', 'terminated'] as const
const TYPES = ['image/png', 'image/webp', 'application/pdf', null] as const
const NAMES = [
  'Straße.png',
  'STRASSE 2.png',
  'émile.pdf',
  'Émile.pdf',
  'photo.png',
  'Photo 2.png',
  // Begins as its id does: found by both, it comes once.
  '20261123-0.png',
  null,
] as const
const at = (minute: number): string => `2026-11-23T10:${String(minute).padStart(2, '0')}:00.000Z`

/** Sixty uploads; three share each time of creation. */
const RECORDS: readonly UploadRecord[] = Array.from({ length: 60 }, (_, number) => {
  return record(number, {
    state: STATES[number % 6] ?? 'paused',
    type: TYPES[number % 4] ?? null,
    filename: NAMES[number % NAMES.length] ?? null,
    owner: number % 5 === 0 ? null : `owner ${number % 5}`,
    grantId: number % 10 === 1 ? 'a'.repeat(32) : null,
    createdAt: at(Math.floor(number / 3)),
  })
})

type Case = readonly [what: string, Partial<UploadFilter>, passes: (record: UploadRecord) => boolean]

/** Filters, and which of the records pass. */
const CASES: readonly Case[] = [
  ['no filter', {}, () => true],
  ['a state', { states: ['refused'] }, ({ state }) => state === 'refused'],
  [
    'two states',
    { states: ['paused', 'finished'] },
    ({ state }) => state === 'paused' || state === 'finished',
  ],
  ['a type', { types: ['image/webp'] }, ({ type }) => type === 'image/webp'],
  ['a family', { types: ['image/*'] }, ({ type }) => type?.startsWith('image/') === true],
  ['a family and one of its types', { types: ['image/png', 'image/*'] }, ({ type }) => type?.[0] === 'i'],
  ['two types', { types: ['image/png', 'application/*'] }, ({ type }) => /png|pdf/.test(type ?? '')],
  ['an owner', { owner: 'owner 3' }, ({ owner }) => owner === 'owner 3'],
  // Fewer are refused than the owner has: the index of states is read, and the owner compared.
  [
    'an owner in a state',
    { owner: 'owner 3', states: ['refused'] },
    ({ owner, state }) => owner === 'owner 3' && state === 'refused',
  ],
  ['the time from', { from: at(15) }, ({ createdAt }) => createdAt >= at(15)],
  ['the time before', { before: at(4) }, ({ createdAt }) => createdAt < at(4)],
  ['times', { from: at(3), before: at(5) }, ({ createdAt }) => createdAt >= at(3) && createdAt < at(5)],
  ['a name in another case', { prefix: 'pHOTO' }, ({ filename }) => /^photo/i.test(filename ?? '')],
  ['letters that are not ASCII', { prefix: 'ÉM' }, ({ filename }) => /^émile/i.test(filename ?? '')],
  ['ß as SS', { prefix: 'strass' }, ({ filename }) => /^stra(ß|ss)e/i.test(filename ?? '')],
  ['an id', { prefix: record(4).id.slice(0, -1) }, ({ id }) => id < record(10).id],
  ['the day of all ids', { prefix: '20261123-' }, () => true],
  ['characters that stand for others in SQL', { prefix: '%' }, () => false],
  [
    'a name in a state',
    { prefix: 'photo', states: ['finished'] },
    (row) => isPhoto(row) && row.state === 'finished',
  ],
  [
    'everything at once',
    {
      prefix: 'photo',
      states: ['finished', 'paused', 'expired'],
      types: ['image/*'],
      owner: 'owner 1',
      from: at(1),
    },
    (row) =>
      isPhoto(row) &&
      /fi|pa|ex/.test(row.state) &&
      /^i/.test(row.type ?? '') &&
      row.owner === 'owner 1' &&
      row.createdAt >= at(1),
  ],
]

const isPhoto = ({ filename }: UploadRecord): boolean => /^photo/i.test(filename ?? '')

/** Adds the tests of lists that every record store must pass. */
export function testRecordList(test: Test<StorePlace>): void {
  test('"Keyset paging, newest first": each upload that passes a filter comes once, whatever waits', async ({
    open,
    lockOut,
  }) => {
    const store = open()
    // The first are written as they are, the next as something else, and the last only wait.
    for (const row of RECORDS.slice(0, 40)) store.put({ ...row, state: 'paused', type: null })
    assert.ok(await store.flush(WITHIN_MS))
    for (const row of RECORDS.slice(0, 20)) store.put(row)
    assert.ok(await store.flush(WITHIN_MS))
    const release = await lockOut()
    for (const row of RECORDS.slice(20)) store.put(row)
    for (const each of CASES) await check(store, each, 'with a queue')
    assert.is(store.stats.queued, 40)
    await release()
    assert.ok(await store.flush(WITHIN_MS))
    for (const each of CASES) await check(store, each, 'from the database')
  })

  test('a page that ends with the list has no next one, and one that does not has', async ({ open }) => {
    const store = open()
    for (const row of RECORDS.slice(0, 6)) store.put(row)
    assert.is((await store.list(EVERY_UPLOAD, LIST_START, 6)).next, null)
    assert.ok(await store.flush(WITHIN_MS))
    assert.is((await store.list(EVERY_UPLOAD, LIST_START, 6)).next, null)
    const { items, next } = await store.list(EVERY_UPLOAD, LIST_START, 5)
    assert.equal([items.length, next?.id], [5, record(1).id])
    assert.equal(items[0], RECORDS[5])
  })
}

async function check(store: RecordStore, [what, changes, passes]: Case, where: string): Promise<void> {
  const filter = { ...EVERY_UPLOAD, ...changes }
  const expected = RECORDS.filter(passes)
    .map(({ id }) => id)
    .reverse()
  assert.equal(await allOf(store, filter, 7), expected, `${what}, ${where}`)
  assert.is(await store.count(filter), expected.length, `the number of ${what}, ${where}`)
}

/** The ids of a list, page by page. */
async function allOf(store: RecordStore, filter: UploadFilter, limit: number): Promise<string[]> {
  const ids: string[] = []
  for (let place: ListPlace | null = LIST_START; place !== null; ) {
    const page = await store.list(filter, place, limit)
    assert.ok(page.items.length <= limit)
    ids.push(...page.items.map(({ id }) => id))
    place = page.next
  }
  return ids
}
