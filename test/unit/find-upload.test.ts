import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type AccessRule, ANONYMOUS } from '../../server/model/principal.js'
import type { UploadRecord } from '../../server/model/record.js'
import type { StoredFacts } from '../../server/model/upload-facts.js'
import { findFinished } from '../../server/uploads/find-finished.js'
import { findUpload } from '../../server/uploads/find-upload.js'
import { uploadsInMemory } from '../../server/uploads/live-view.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { record } from '../helpers/record.js'
import { keep, uploadOf } from '../helpers/stored-upload.js'
import { idOf, never, sha256, storageWith } from '../helpers/upload-fakes.js'

const ID = idOf('1')
const FINISHED = { offset: 10, sha256: sha256('ten bytes.'), finishedAt: '2026-11-25T12:00:00.000Z' }

/** Places in which an upload may be found: memory, the index, and the disk. */
function place(stored?: Partial<StoredFacts>) {
  const { engine, storage } = storageWith()
  if (stored) keep(storage, uploadOf(ID, stored), 'ten bytes.')
  const live = new Map<string, StoredUpload>()
  const tools = {
    engine,
    live: uploadsInMemory({ peek: (id: string) => live.get(id), receiving: () => [] }, () => 3_000),
    row: async (_: string): Promise<UploadRecord | undefined> => undefined,
    mayAccess: ((_, { owner }) => owner === null) as AccessRule,
    warnings: [] as string[],
    log: { warn: (_: object, message: string) => void tools.warnings.push(message) },
  }
  const find = async (id = ID): Promise<object> => (await findUpload(id, ANONYMOUS, tools)) ?? {}
  return { storage, live, tools, find }
}

const stateOf = (found: object): unknown => Reflect.get(found, 'state')

test('an upload in memory is told as it is there, with its speed while it receives', async () => {
  const { live, tools, find } = place(FINISHED)
  tools.row = never
  const upload = uploadOf(ID, { offset: 4 })
  live.set(ID, upload)
  upload.rate.add(8_000, 1_000)
  const atRest = await find()
  assert.equal([stateOf(atRest), Reflect.get(atRest, 'bytesPerSecond')], ['paused', 0])
  upload.receive({ isStopped: false, drain: never, stop: () => {} })
  const found = await find()
  assert.equal([stateOf(found), Reflect.get(found, 'offset')], ['receiving', 4])
  assert.ok(Number(Reflect.get(found, 'bytesPerSecond')) > 0)
})

test('an upload that is not in memory is told by its record, also one whose files are gone', async () => {
  const { tools, find } = place()
  tools.row = async () => record(1, { state: 'expired' })
  assert.equal(await find(), { ...record(1, { state: 'expired' }), bytesPerSecond: 0 })
})

test('"the database is an index": without a record, or where it cannot answer, the sidecar does', async () => {
  const { tools, find } = place(FINISHED)
  assert.is(stateOf(await find()), 'finished')
  assert.equal(tools.warnings, [])
  tools.row = async () => {
    throw new Error('SQLITE_BUSY')
  }
  const found = await find()
  assert.equal([stateOf(found), Reflect.get(found, 'bytesPerSecond')], ['finished', 0])
  assert.equal(tools.warnings, ['the index could not answer; the sidecar does'])
})

test('there is no upload that is nowhere, whose sidecar is torn, or whose id is none', async () => {
  const { storage, tools, find } = place(FINISHED)
  assert.equal(await find(idOf('2')), {})
  Object.assign(storage.uploads.get(ID) ?? {}, { facts: null })
  assert.equal(await find(), {})
  tools.row = never
  assert.equal([await find('../../etc/passwd'), tools.warnings], [{}, []], 'nothing is asked for it')
})

test('an upload that the principal may not know of is not there, wherever it is found', async () => {
  const { live, tools, find } = place(FINISHED)
  tools.mayAccess = () => false
  assert.equal(await find(), {}, 'by its sidecar')
  tools.row = async () => record(1)
  assert.equal(await find(), {}, 'by its record')
  live.set(ID, uploadOf(ID))
  assert.equal(await find(), {}, 'in memory')
})

test('a download shows a finished upload, with the type that was seen, and never one that is not finished', async () => {
  const show = (stored?: Partial<StoredFacts>, isThere = true) =>
    findFinished(ID, { engine: place(stored).tools.engine, isThere: () => isThere })
  const { sha256, finishedAt } = FINISHED
  const file = { length: 10, type: 'text/plain', filename: 'a.txt', sha256, finishedAt }
  assert.equal(await show({ ...FINISHED, type: 'text/plain', filename: 'a.txt' }), file)
  assert.is(Reflect.get(Object(await show(FINISHED)), 'type'), 'application/octet-stream')
  assert.is(await show({ offset: 10 }), 'unfinished')
  assert.is(await show(), undefined)
  assert.is(await show(FINISHED, false), undefined, 'not for this principal')
  assert.is(await show({ offset: 10 }, false), undefined, 'nor that it is unfinished')
})

test.run()
