import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANONYMOUS } from '../../server/model/principal.js'
import type { StoredFacts } from '../../server/model/upload-facts.js'
import { FinalPlan } from '../../server/uploads/joining/final-plan.js'
import type { Missing, PartSurvey, Survey } from '../../server/uploads/joining/part-survey.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf } from '../helpers/upload-fakes.js'

const [FINAL, PART] = [idOf('f'), idOf('1')]
const START_MS = Date.parse('2026-11-25T12:00:00Z')
const HOUR_MS = 3_600_000
const MOST_BYTES = 100

/** The plan of a final upload of one part, which has these facts; `sum` is what its parts are together. */
function place(facts: Partial<StoredFacts> | undefined, sum: Partial<Survey> = {}) {
  let nowMs = START_MS
  const access = { isAllowed: true }
  const finals = { allKnown: true, named: '', isNamedByOthers: (id: string) => id === finals.named }
  const disk = { freeBytes: MOST_BYTES }
  const createdAt = new Date(START_MS).toISOString()
  const part = { concat: 'partial', length: 5, offset: 5, touchedAtMs: START_MS, createdAt }
  const survey = {
    of: async (ids: readonly string[], from, check = () => true): Promise<Survey | Missing> => {
      assert.equal([ids, from], [[PART], 0])
      const isThere = facts !== undefined && check(uploadOf(PART, { ...part, ...facts }))
      if (!isThere) return { missing: PART }
      return { length: 5, unfinished: undefined, touchedAtMs: 0, hasBytes: true, terminated: [], ...sum }
    },
  } satisfies Pick<PartSurvey, 'of'>
  const plan = new FinalPlan({
    tools: {
      ...{ maxSizeBytes: MOST_BYTES, expireAfterMs: 2 * HOUR_MS, keepPartialsMs: HOUR_MS },
      now: () => nowMs,
      mayAccess: () => access.isAllowed,
      engine: { isFull: async (bytes = 0) => bytes > disk.freeBytes },
    },
    ...{ finals, survey, shared: null },
  })
  const wanted = {
    id: FINAL,
    parts: [PART],
    metadata: null,
    client: '::1',
    owner: null,
    grant: null,
    principal: ANONYMOUS,
  }
  const later = (ms: number): void => {
    nowMs += ms
  }
  return { access, finals, disk, later, of: () => plan.of(wanted) }
}

test('a final upload of parts that are there is what they are together', async () => {
  const { of } = place({}, { length: 42 })
  assert.equal(await of(), {
    length: 42,
    unfinished: undefined,
    touchedAtMs: 0,
    hasBytes: true,
    terminated: [],
  })
})

test('"Upload-Concat: final" may name partial uploads only', async () => {
  assert.is(await codeOf(place({ concat: null }).of()), 'part_unknown')
  assert.is(await codeOf(place({ concat: 'final;x', parts: [idOf('9')] }).of()), 'part_unknown')
})

test('a part is missing that is not there, and one that the principal may not know of', async () => {
  assert.equal(await place(undefined).of(), { missing: PART })
  const { access, of } = place({ concat: null })
  access.isAllowed = false
  assert.equal(await of(), { missing: PART }, 'whatever else is wrong with it')
})

test('a part that its client has terminated is missing, however old it is', async () => {
  const { finals, later, of } = place({ terminatedAt: '2026-11-25T11:00:00Z' }, { terminated: [PART] })
  finals.allKnown = false
  later(9 * HOUR_MS)
  assert.equal(await of(), { missing: PART })
})

test('until every final upload is known, parts from before the start wait: the same final may have been made', async () => {
  const before = place({ createdAt: new Date(START_MS - 1).toISOString() })
  before.finals.allKnown = false
  assert.is(await codeOf(before.of()), 'starting')
  before.finals.allKnown = true
  assert.is(await codeOf(before.of()), 'none')
  const since = place({})
  since.finals.allKnown = false
  assert.is(await codeOf(since.of()), 'none')
})

test('a part that has expired is unknown, unless another final upload needs it', async () => {
  const { finals, later, of } = place({})
  later(2 * HOUR_MS - 1)
  assert.is(await codeOf(of()), 'none')
  later(1)
  assert.is(await codeOf(of()), 'part_unknown')
  finals.named = PART
  assert.is(await codeOf(of()), 'none')
})

test('the parts together may have --max-size bytes, and more is 413', async () => {
  assert.is(await codeOf(place({}, { length: MOST_BYTES }).of()), 'none')
  assert.is(await codeOf(place({}, { length: MOST_BYTES + 1 }).of()), 'size_exceeded')
})

test('what the parts have together must fit on the disk; parts whose length is unknown are asked again', async () => {
  const { disk, of } = place({}, { length: 42 })
  disk.freeBytes = 41
  assert.is(await codeOf(of()), 'disk_full')
  disk.freeBytes = 42
  assert.is(await codeOf(of()), 'none')
  const open = place({}, { length: null })
  open.disk.freeBytes = 0
  assert.is(await codeOf(open.of()), 'none')
})

test.run()
