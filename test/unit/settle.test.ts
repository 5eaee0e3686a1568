import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isSameBoot } from '../../server/files/boot.js'
import { addCheckpoint } from '../../server/model/checkpoint.js'
import { expiresAtMs, nextStep } from '../../server/model/next-step.js'
import { offsetAfterCrash } from '../../server/model/offset-after-crash.js'
import type { UploadRecord } from '../../server/model/record.js'
import { factsFromRecord } from '../../server/model/restored-facts.js'

const at = (offset: number) => ({ offset, sha256: 'a'.repeat(64) })
const BASE = {
  ...{ length: 100, sha256: null, checkpoints: [at(20), at(60)], sameBoot: true, storedBytes: 80 },
  ...{ verifiedTo: null, isFinal: false },
}

const OFFSETS = [
  ['after a crash of the process the size of the file counts', {}, 80],
  ['bytes beyond the length never count', { storedBytes: 130 }, 100],
  ['after a crash of the machine the last checkpoint counts', { sameBoot: false }, 60],
  ['a checkpoint beyond the file does not count', { sameBoot: false, storedBytes: 59 }, 20],
  ['without a checkpoint a crash of the machine leaves nothing', { sameBoot: false, checkpoints: [] }, 0],
  ['a finished file is whole in every boot', { sameBoot: false, sha256: 'b', storedBytes: 100 }, 100],
  ['a finished file that was cut falls back to a checkpoint', { sha256: 'b', storedBytes: 70 }, 60],
  ['a deferred length bounds nothing', { length: null, storedBytes: 500 }, 500],
  ['bytes whose checksum was not verified do not count', { verifiedTo: 70 }, 70],
  ['bytes that are verified but gone do not count', { verifiedTo: 90 }, 80],
  ['a checkpoint counts after a crash of the machine as before', { verifiedTo: 70, sameBoot: false }, 60],
  ['a final upload counts nothing before it is joined', { isFinal: true }, 0],
  ['a joined one is whole', { isFinal: true, sha256: 'b', storedBytes: 100 }, 100],
] as const

for (const [promise, change, offset] of OFFSETS) {
  test(promise, () => assert.is(offsetAfterCrash({ ...BASE, ...change }), offset))
}

const STEPS = [
  ['waits for bytes', { offset: 50 }, 'wait'],
  ['finishes what is whole and has no digest', { offset: 100 }, 'finish'],
  ['keeps what is finished, however old', { offset: 100, sha256: 'b', touchedAtMs: -1e12 }, 'keep'],
  ['expires what got no bytes for the whole term', { offset: 50, touchedAtMs: 0 }, 'expire'],
  ['does not expire a moment earlier', { offset: 50, touchedAtMs: 1 }, 'wait'],
  ['finishes what is whole rather than expire it', { offset: 100, touchedAtMs: -1e12 }, 'finish'],
  ['never finishes a deferred length', { offset: 100, length: null }, 'wait'],
  ['never finishes a partial upload: that is no file', { offset: 100, kind: 'partial' }, 'wait'],
  [
    'expires a whole partial upload that nobody joined',
    { offset: 100, kind: 'partial', touchedAtMs: 0 },
    'expire',
  ],
  [
    'keeps a joined partial upload for its own term',
    { offset: 100, kind: 'partial', joinedAtMs: 4901, touchedAtMs: 0 },
    'wait',
  ],
  ['removes a joined partial upload after it', { offset: 100, kind: 'partial', joinedAtMs: 4900 }, 'expire'],
  ['joins a final upload', { offset: 0, kind: 'final' }, 'join'],
  [
    'keeps a final upload that is joined',
    { offset: 100, kind: 'final', sha256: 'b', touchedAtMs: 0 },
    'keep',
  ],
  ['expires a final upload whose parts never came', { offset: 0, kind: 'final', touchedAtMs: 0 }, 'expire'],
] as const

for (const [promise, change, step] of STEPS) {
  test(promise, () => {
    const standing = { kind: 'single', joinedAtMs: null, touchedAtMs: 1000 } as const
    const upload = { length: 100, sha256: null, ...standing, ...change }
    assert.is(nextStep(upload, 5000, { expireAfterMs: 5000, keepPartialsMs: 100 }), step)
  })
}

test('checkpoints stay in order and few, and the newest is always there', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e6), { minLength: 1, maxLength: 500 }), (offsets) => {
      let list: readonly { offset: number; sha256: string }[] = []
      for (const offset of offsets) list = addCheckpoint(list, at(offset))
      const kept = list.map((checkpoint) => checkpoint.offset)
      assert.ok(kept.length <= 64)
      assert.is(kept.at(-1), offsets.at(-1))
      assert.equal(
        kept,
        kept.toSorted((a, b) => a - b),
      )
      assert.is(new Set(kept).size, kept.length)
    }),
  )
})

test('thinning spreads the checkpoints instead of cutting them off', () => {
  let list: readonly { offset: number; sha256: string }[] = []
  for (let i = 1; i <= 1000; i++) list = addCheckpoint(list, at(i))
  assert.is(list[0]?.offset, 1)
})

test('boots are the same by name, and by time within what a clock is set by', () => {
  assert.ok(isSameBoot('3f2a', '3f2a'))
  assert.not(isSameBoot('3f2a', '3f2b'))
  assert.ok(isSameBoot('at-1000', 'at-1020'))
  assert.not(isSameBoot('at-1000', 'at-1040'))
  assert.not(isSameBoot('at-1000', 'unknown'))
})

const ROW: UploadRecord = {
  ...{ id: '20260101-00', state: 'finished', filename: 'a', type: 'image/png', declaredType: null },
  ...{ length: 10, offset: 10, sha256: 'c'.repeat(64), metadata: 'filename YQ==', path: 'x' },
  ...{ createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z' },
  ...{ finishedAt: '2026-01-01T00:00:00.000Z', reason: null, concat: null, joinedInto: null, owner: null },
  grantId: null,
}

test('bytes without a sidecar keep their digest where the record vouches for every byte', () => {
  assert.is(factsFromRecord(ROW, 10)?.sha256, ROW.sha256)
  assert.is(factsFromRecord(ROW, 10)?.metadata, ROW.metadata)
})

test('bytes whose record is unfinished begin again, because nothing proves them', () => {
  const restored = factsFromRecord({ ...ROW, state: 'paused', sha256: null }, 10)
  assert.is(restored?.sha256, null)
  assert.is(offsetAfterCrash({ ...BASE, ...restored, sameBoot: false, storedBytes: 10 }), 0)
})

test('bytes without a record, or of another length than it says, are leftovers', () => {
  assert.is(factsFromRecord(undefined, 10), undefined)
  assert.is(factsFromRecord(ROW, 9), undefined)
  assert.is(factsFromRecord({ ...ROW, state: 'terminated' }, 10), undefined)
})

test('bytes of a final upload that was not joined are leftovers: no record says from what', () => {
  assert.is(factsFromRecord({ ...ROW, state: 'paused', sha256: null, concat: 'final' }, 10), undefined)
  assert.is(factsFromRecord({ ...ROW, concat: 'final' }, 10)?.sha256, ROW.sha256)
  assert.is(
    factsFromRecord({ ...ROW, state: 'paused', sha256: null, concat: 'partial' }, 10)?.concat,
    'partial',
  )
})

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

for (const [promise, change, terms, atMs] of [
  ['one that never got a byte expires after an hour at the latest', {}, {}, HOUR_MS],
  ['one that never got a byte, sooner under a short --expire-after', {}, { expireAfterMs: 5 }, 5],
  ['one with bytes expires after --expire-after', { offset: 1 }, {}, DAY_MS],
  ['a part that never got a byte expires after an hour too', { kind: 'partial' }, {}, HOUR_MS],
  ['a final upload waits for its parts as long as for bytes', { kind: 'final' }, {}, DAY_MS],
  ['a part that was joined expires after --keep-partials', { kind: 'partial', joinedAtMs: 7 }, {}, 107],
] as const) {
  test(promise, () => {
    const fresh = {
      length: 100,
      offset: 0,
      sha256: null,
      touchedAtMs: 0,
      kind: 'single',
      joinedAtMs: null,
    } as const
    const upload = { ...fresh, ...change }
    const all = { expireAfterMs: DAY_MS, keepPartialsMs: 100, ...terms }
    assert.is(expiresAtMs(upload, all), atMs)
    assert.is(nextStep(upload, atMs, all), 'expire')
    assert.is.not(nextStep(upload, atMs - 1, all), 'expire')
  })
}

test.run()
