import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANONYMOUS } from '../../server/model/principal.js'
import type { UploadRecord } from '../../server/model/record.js'
import { finalKey } from '../../server/uploads/joining/final-key.js'
import { FinalMemory } from '../../server/uploads/joining/final-memory.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { record } from '../helpers/record.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf, silent } from '../helpers/upload-fakes.js'

const [FINAL, NEW, PART] = [idOf('f'), idOf('e'), idOf('1')]
const NOW = Date.parse('2026-11-25T12:00:00Z')
const MINUTE_MS = 60_000
const WANTED = {
  id: NEW,
  owner: null,
  grant: null,
  parts: [PART],
  metadata: 'filename YQ==',
  client: '::1',
  principal: ANONYMOUS,
}

/** A final upload of the request WANTED that was finished so many minutes ago; with a minus: that is not finished. */
function finalOf(minutes: number): StoredUpload {
  const atMs = NOW - Math.abs(minutes) * MINUTE_MS
  const end = { sha256: 'ab', finishedAt: new Date(atMs).toISOString() }
  const facts = { concat: 'final;x', parts: [PART], metadata: WANTED.metadata, touchedAtMs: atMs }
  return uploadOf(FINAL, { ...facts, ...(minutes < 0 ? {} : end) })
}

/** The memory of final uploads among fakes; `row` is what the index says of a part. */
function place(
  final: StoredUpload | undefined,
  row: () => Partial<UploadRecord> | undefined = () => undefined,
) {
  const finals = {
    allKnown: true,
    open: '',
    madeBy: (key: string) => (key === finals.open ? FINAL : undefined),
  }
  const access = { isAllowed: true }
  const memory = new FinalMemory({
    tools: {
      row: async () => {
        const changes = row()
        return changes && record(1, changes)
      },
      now: () => NOW,
      log: silent,
      mayAccess: () => access.isAllowed,
    },
    ...{ finals, shared: null },
    survey: { read: async (id) => (id === FINAL ? final : undefined) },
  })
  return { memory, finals, access }
}

test('the same owner, parts and metadata are the same request, and others are not', async () => {
  const { memory, finals } = place(finalOf(-1))
  assert.is(await memory.madeBefore(WANTED), undefined)
  finals.open = finalKey(WANTED)
  assert.is((await memory.madeBefore(WANTED))?.id, FINAL)
  assert.is(await memory.madeBefore({ ...WANTED, parts: [PART, PART] }), undefined)
  assert.is(await memory.madeBefore({ ...WANTED, metadata: null }), undefined)
  assert.is(await memory.madeBefore({ ...WANTED, owner: 'ann' }), undefined)
  assert.is(memory.lockOf(WANTED), memory.lockOf({ ...WANTED }))
  assert.is.not(memory.lockOf(WANTED), memory.lockOf({ ...WANTED, metadata: null }))
})

test('a final upload that was joined is found for ten minutes by a client that lost its answer', async () => {
  for (const minutes of [0, 9]) {
    const { memory } = place(finalOf(minutes))
    memory.remember(finalOf(minutes))
    assert.is((await memory.madeBefore(WANTED))?.id, FINAL, `${minutes} minutes`)
  }
})

test('one whose bytes are gone, or that is another by now, is not given out', async () => {
  const gone = place(undefined)
  gone.memory.remember(finalOf(0))
  assert.is(await gone.memory.madeBefore(WANTED), undefined)
  const other = place(uploadOf(FINAL, { concat: 'final;x', parts: [idOf('9')], metadata: WANTED.metadata }))
  other.memory.remember(finalOf(0))
  assert.is(await other.memory.madeBefore(WANTED), undefined)
})

test('a final upload is not there for a principal who may not know of it', async () => {
  const { memory, access } = place(finalOf(0), () => ({ joinedInto: FINAL }))
  memory.remember(finalOf(0))
  access.isAllowed = false
  assert.is(await memory.madeBefore(WANTED), undefined)
  assert.is(await codeOf(memory.joinedWith(WANTED, PART)), 'part_unknown')
  assert.is(await memory.hasJoined(PART, ANONYMOUS), false)
})

test('where memory knows nothing, the record of a part that is gone tells what it was joined into', async () => {
  const { memory } = place(finalOf(9), () => ({ joinedInto: FINAL }))
  assert.is((await memory.joinedWith(WANTED, PART)).id, FINAL)
  assert.is(await memory.hasJoined(PART, ANONYMOUS), true)
  const unjoined = place(finalOf(-60), () => ({ joinedInto: FINAL }))
  assert.is((await unjoined.memory.joinedWith(WANTED, PART)).id, FINAL, 'one that is joined again')
})

test('after ten minutes a request for parts that are gone is a new one, and they are unknown', async () => {
  const { memory } = place(finalOf(10), () => ({ joinedInto: FINAL }))
  assert.is(await codeOf(memory.joinedWith(WANTED, PART)), 'part_unknown')
})

test('until every upload was visited a missing part is `starting`: its final upload may yet be found', async () => {
  const { memory, finals } = place(finalOf(-1))
  assert.is(await codeOf(memory.joinedWith(WANTED, PART)), 'part_unknown')
  finals.allKnown = false
  assert.is(await codeOf(memory.joinedWith(WANTED, PART)), 'starting')
  finals.open = finalKey(WANTED)
  assert.is((await memory.joinedWith(WANTED, PART)).id, FINAL, 'the sweep has found it meanwhile')
})

test('an index that cannot be asked counts as one without a record', async () => {
  const { memory } = place(finalOf(0), () => {
    throw new Error('SQLITE_BUSY')
  })
  assert.is(await memory.hasJoined(PART, ANONYMOUS), false)
  assert.is(await codeOf(memory.joinedWith(WANTED, PART)), 'part_unknown')
})

test.run()
