import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  EVERY_UPLOAD,
  LIST_START,
  type ListPlace,
  matches,
  newestFirst,
  type UploadFilter,
} from '../../server/model/upload-list.js'
import type { Call } from '../../server/records/backend.js'
import { countRecords, listRecords } from '../../server/records/listing.js'
import { Database } from '../../server/records/sqlite/database.js'
import { record } from '../helpers/record.js'

const test = suite('records, long lists')

/** More than any look compares, and than any index has of what counts as few. */
const ROWS = 16_500
const NOTHING = new Map<string, never>()

/** What a filter finds is all among the older rows, so that the first looks find nothing. */
const rows = Array.from({ length: ROWS }, (_, number) => {
  return record(number, {
    state: number < 7_000 && number % 2 === 1 ? 'refused' : 'finished',
    type: number < 4_500 ? 'image/png' : number % 9 === 0 ? null : 'text/plain',
    filename: number % 1_000 === 1 ? `rare ${number}` : number < 6_500 ? `a ${number}` : `b ${number}`,
    owner: number < 3_000 ? 'early' : 'late',
    createdAt: new Date(Date.UTC(2026, 0, 1, 0, 0, Math.floor(number / 3))).toISOString(),
  })
})

const FILTERS: readonly Partial<UploadFilter>[] = [
  { prefix: 'a ' },
  { prefix: 'A 1' },
  { prefix: 'rare' },
  { prefix: 'none' },
  { prefix: '2026' },
  { prefix: 'a ', states: ['refused'] },
  { prefix: 'a ', types: ['image/*'] },
  { prefix: 'b ', owner: 'early' },
  { states: ['finished', 'refused'] },
  // One of the two ways finds a page at once, and all of it comes behind what the other one has looked at.
  { states: ['refused'], types: ['image/*', 'text/plain'] },
  { states: ['refused'], types: ['image/png', 'text/*'], owner: 'late' },
  { types: ['image/png'], owner: 'late' },
  { types: ['text/plain'], owner: 'early' },
  { owner: 'late', from: '2026-01-01T01:00:00.000Z' },
  { owner: 'late', before: '2026-01-01T00:30:00.000Z', prefix: 'a ' },
  { from: '2026-01-01T00:20:00.000Z', before: '2026-01-01T00:40:00.000Z', prefix: 'a ' },
]

test('an upload that passes a filter comes once, and is counted once, where an index has thousands of others', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lading-lists-'))
  const database = new Database(join(folder, 'lading.db'), '2026-01-01T00:00:00.000Z')
  try {
    database.write({ live: rows, restored: [], incomplete: false })
    const ask = async (call: Call) => database.answer(call)
    for (const changes of FILTERS) {
      const filter = { ...EVERY_UPLOAD, ...changes }
      const expected = rows.filter((row) => matches(filter, row)).toSorted(newestFirst)
      const found: string[] = []
      for (let after: ListPlace | null = LIST_START; after !== null; ) {
        const { items, next } = await listRecords({ filter, after, limit: 199 }, NOTHING, ask)
        found.push(...items.map(({ id }) => id))
        after = next
      }
      assert.is(found.length, expected.length, JSON.stringify(changes))
      assert.is(found.join(), expected.map(({ id }) => id).join(), JSON.stringify(changes))
      assert.is(await countRecords(filter, NOTHING, ask), expected.length, JSON.stringify(changes))
    }
  } finally {
    database.close()
    rmSync(folder, { recursive: true })
  }
})

test.run()
