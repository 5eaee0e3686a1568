import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { asUploadError, UploadError } from '../../server/errors.js'
import { BytesFault } from '../../server/model/engine-error.js'
import { Lifecycle } from '../../server/uploads/lifecycle.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import type { RecordEnd } from '../../server/uploads/upload-record.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf, sha256, silent, storageWith, TYPES } from '../helpers/upload-fakes.js'

const ID = idOf('1')
const TEXT = 'ten bytes.'
const NOW = Date.parse('2026-11-25T12:00:00Z')
const DAY_MS = 86_400_000
const FAULTY = asUploadError(new BytesFault('DAMAGED', 'other bytes are stored'))

/** The life of one upload among fakes: what was announced, what left memory, and what the engine removed. */
function place(
  changes: Parameters<typeof uploadOf>[1] = {},
  { text = TEXT, durability = 'finish' as const, save = async (): Promise<void> => {} } = {},
) {
  const upload = uploadOf(ID, { offset: TEXT.length, touchedAtMs: NOW, ...changes })
  const { engine, storage, textOf } = storageWith({ [ID]: text })
  const events: string[] = []
  const dropped: string[] = []
  const removals: boolean[] = []
  const unfinished = new Unfinished(10)
  unfinished.set(ID, 0)
  const { remove } = engine
  engine.remove = async (ids: readonly string[], options?: { durable: boolean }) => {
    removals.push(options?.durable ?? false)
    await remove.call(engine, ids)
  }
  let saves = 0
  const lifecycle = new Lifecycle(
    {
      ...{ ...TYPES, engine, unfinished, durability, log: silent, now: () => NOW },
      ...{ expireAfterMs: DAY_MS, keepPartialsMs: DAY_MS },
      announce: (_: StoredUpload, kind: string, end?: RecordEnd) =>
        void events.push(end ? `${kind}: ${end.state}, ${end.reason}` : kind),
    },
    {
      uploads: { drop: (id) => void dropped.push(id), leave: async (_, work) => work() },
      saver: {
        save: async () => {
          await save()
          saves += 1
        },
      },
      prover: {
        prove: async () => {
          await engine.prove(ID, { to: upload.offset, checkpoints: [], budgetBytes: 100 })
          upload.setDigestLive(true)
        },
      },
    },
  )
  return { lifecycle, upload, events, dropped, removals, unfinished, storage, textOf, saves: () => saves }
}

test('a finished upload leaves memory, which is for progress', async () => {
  const { lifecycle, upload, events, dropped } = place()
  await lifecycle.finish(upload)
  assert.equal([upload.sha256, events, dropped], [sha256(TEXT), ['finished'], [ID]])
})

test('"A refused type gets 415 at once and leaves nothing behind", but for a record that says why', async () => {
  const { lifecycle, upload, events, textOf } = place({}, { text: '! refused ' })
  assert.is(await codeOf(lifecycle.finish(upload)), 'type_refused')
  assert.equal(events, ['refused: refused, It begins with an exclamation mark.'])
  assert.ok(upload.gone)
  assert.is(textOf(ID), undefined)
})

test('a finish that the disk stops leaves the upload whole, and is tried again in a minute without a request', async () => {
  const save = async () => {
    throw new Error('ENOSPC: no space left on device, write')
  }
  const { lifecycle, upload, events, unfinished, textOf } = place({}, { save })
  assert.is(await codeOf(lifecycle.finish(upload)), 'disk_full')
  assert.equal([upload.gone, events, textOf(ID)], [false, [], TEXT])
  assert.equal(unfinished.due(NOW + 59_999, 9), [])
  assert.equal(unfinished.due(NOW + 60_000, 9), [ID])
})

test('an unfinished upload whose file is gone is removed, and its record says so', async () => {
  const { lifecycle, upload, events, storage } = place()
  storage.uploads.delete(ID)
  await lifecycle.recover(upload, asUploadError(new BytesFault('MISSING', 'the file is gone')))
  assert.ok(upload.gone)
  assert.equal(events, ['terminated: terminated, its file is gone'])
})

test('of a finished upload whose file is gone the record stays: an operator may have moved the file', async () => {
  const { lifecycle, upload, events, dropped, storage } = place({ sha256: sha256(TEXT) })
  storage.uploads.delete(ID)
  await lifecycle.verify(upload)
  assert.equal([upload.gone, events, dropped], [true, [], [ID]])
})

test('"an upload resumes from bytes that are proven": a shorter file falls back to the last checkpoint it covers', async () => {
  const checkpoints = [3, 6, 10].map((offset) => ({ offset, sha256: sha256(TEXT.slice(0, offset)) }))
  const { lifecycle, upload, events, textOf, saves } = place({ checkpoints }, { text: 'ten byt' })
  await lifecycle.verify(upload)
  assert.equal([upload.offset, textOf(ID)], [6, 'ten by'])
  assert.equal(
    upload.checkpoints.map(({ offset }) => offset),
    [3, 6],
  )
  assert.equal([events, saves()], [['progress'], 1])
})

test('bytes that nobody sent are cut off, and the offset stays', async () => {
  const { lifecycle, upload, textOf } = place({}, { text: `${TEXT} and more` })
  await lifecycle.verify(upload)
  assert.equal([upload.offset, textOf(ID)], [10, TEXT])
})

test('a sidecar that is gone is written again beside bytes that are sound', async () => {
  const { lifecycle, upload, events, saves } = place()
  await lifecycle.verify(upload)
  assert.equal([saves(), events, upload.offset], [1, [], 10])
})

test('an error that does not say that the bytes are others changes nothing', async () => {
  const { lifecycle, upload, events, saves } = place({}, { text: 'ten byt' })
  await lifecycle.recover(upload, new UploadError('disk_full'))
  assert.equal([upload.offset, upload.gone, events, saves()], [10, false, [], 0])
  await lifecycle.recover(upload, FAULTY)
  assert.is(upload.offset, 0)
})

test('the files go once nothing writes or reads them any more', async () => {
  const { lifecycle, upload, textOf } = place()
  let written = (): void => {}
  upload.saves.last = new Promise((resolve) => {
    written = resolve
  })
  const removed = lifecycle.remove(upload, 'terminated', 'why')
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(upload.gone, 'nothing new begins')
  assert.is(textOf(ID), TEXT)
  written()
  await removed
  assert.is(textOf(ID), undefined)
})

test('what a client removed is flushed, what expired is not, and nothing is with --durability off', async () => {
  const { lifecycle, upload, removals } = place()
  await lifecycle.remove(upload, 'terminated', 'why')
  await lifecycle.remove(upload, 'refused', 'why')
  await lifecycle.remove(upload, 'expired', 'why')
  await lifecycle.expire(upload)
  assert.equal(removals, [true, true, false, false])
  const off = place({}, { durability: 'off' as 'finish' })
  await off.lifecycle.remove(off.upload, 'terminated', 'why')
  assert.equal(off.removals, [false])
})

test('a removal that fails is not announced', async () => {
  const { lifecycle, upload, events, removals } = place()
  const failing = place()
  failing.storage.uploads.delete = () => {
    throw new Error('EPERM: operation not permitted, unlink')
  }
  assert.match(await codeOf(failing.lifecycle.expireAll([failing.upload])), 'EPERM')
  assert.equal(failing.events, [])
  await lifecycle.expireAll([upload])
  assert.equal(events, ['expired: expired, no bytes for longer than --expire-after'])
  assert.is(removals.length, 1)
})

test('a part that its client terminated was announced then: its removal restates the record', async () => {
  const { lifecycle, upload, events } = place({
    concat: 'partial',
    terminatedAt: new Date(NOW).toISOString(),
  })
  await lifecycle.expire(upload)
  assert.equal(events, ['restated: terminated, terminated by the client'])
})

test('what is due: a whole upload is finished, an old one expires, and the record of any other is restated', async () => {
  const outcomes: string[] = []
  const announced: string[] = []
  const old = { touchedAtMs: NOW - DAY_MS }
  for (const changes of [{}, { length: 20 }, { length: 20, ...old }, { sha256: sha256(TEXT) }]) {
    const { lifecycle, upload, events } = place(changes)
    outcomes.push(await lifecycle.handleDue(upload))
    announced.push(events[0]?.replace(/:.*/, '') ?? '')
  }
  assert.equal(outcomes, ['finished', 'waiting', 'expired', 'kept'])
  assert.equal(announced, ['finished', 'restated', 'expired', 'restated'])
  const refused = place({}, { text: '! refused ' })
  assert.is(await refused.lifecycle.handleDue(refused.upload), 'refused')
})

test.run()
