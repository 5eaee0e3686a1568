import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { UploadRecord } from '../../server/model/record.js'
import { RecordsError } from '../../server/model/record-store.js'
import {
  EVERY_UPLOAD,
  isBehind,
  LIST_START,
  type ListPlace,
  nameKey,
  pageWithNewer,
} from '../../server/model/upload-list.js'
import { UploadList } from '../../server/uploads/list-uploads.js'
import { uploadsInMemory } from '../../server/uploads/live-view.js'
import { record } from '../helpers/record.js'
import { uploadOf } from '../helpers/stored-upload.js'

const none = { peek: () => undefined, newer: () => new Map() }

test('index_unavailable: where the database cannot answer, the list says so and names no cause', async () => {
  const locked = async (): Promise<never> => {
    throw new RecordsError('locked', 'SQLITE_BUSY: a secret path')
  }
  const list = new UploadList({ live: none, records: { list: locked, count: locked } })
  for (const asked of [list.page(EVERY_UPLOAD, LIST_START, 1), list.count(EVERY_UPLOAD)]) {
    const thrown: unknown = await asked.catch((error: unknown) => error)
    assert.ok(thrown instanceof UploadError)
    assert.equal([thrown.code, thrown.status], ['index_unavailable', 503])
    assert.not.match(thrown.text, 'secret')
  }
})

test('what the index has is shown with no speed', async () => {
  const items: readonly UploadRecord[] = [record(1)]
  const records = { list: async () => ({ items, next: null }), count: async () => 1 }
  const list = new UploadList({ live: none, records })
  const page = await list.page(EVERY_UPLOAD, LIST_START, 1)
  assert.equal(page, { items: [{ ...record(1), bytesPerSecond: 0 }], next: null })
})

test("an upload that has another one's id by now is not shown in its place", async () => {
  const [anns, bobs] = [
    record(1, { owner: 'ann', state: 'terminated' }),
    uploadOf(record(1).id, { owner: 'bob' }),
  ]
  const records = { list: async () => ({ items: [anns], next: null }), count: async () => 1 }
  const live = uploadsInMemory({ peek: () => bobs, receiving: () => [] }, () => 0)
  const list = new UploadList({ live, records })
  const page = await list.page({ ...EVERY_UPLOAD, owner: 'ann' }, LIST_START, 1)
  assert.equal(page.items, [{ ...anns, bytesPerSecond: 0 }])
})

test('the newest uploads, which wait to be written again, are listed with one look at the index', async () => {
  const all = Array.from({ length: 1_000 }, (_, number) => record(999 - number))
  const newer = new Map(all.map((one) => [one.id, { ...one, state: 'finished' } as const]))
  let looks = 0
  const below = async (after: ListPlace, limit: number) => {
    looks += 1
    const items = all.filter((one) => isBehind(one, after)).slice(0, limit)
    return { items, next: items.at(-1) ?? null }
  }
  const asked = { filter: EVERY_UPLOAD, after: LIST_START, limit: 10 }
  const { items, next } = await pageWithNewer<UploadRecord>(asked, newer, below)
  assert.equal(
    items.map(({ id, state }) => [id, state]),
    all.slice(0, 10).map(({ id }) => [id, 'finished']),
  )
  assert.equal([next?.id, looks], [all[9]?.id, 1])
})

test('names are found in any case, of every script', () => {
  for (const [one, other] of [
    ['Straße', 'STRASSE'],
    ['ΟΔΟΣ', 'οδος'],
    ['ﬁle', 'FILE'],
    ['e\u0301', 'É'],
  ] as const)
    assert.is(nameKey(one), nameKey(other))
  assert.is(nameKey('x'.repeat(500)).length, 80)
})

test.run()
