import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DayBytes } from '../../hooks/day-bytes.js'
import { UploadError } from '../../server/errors.js'

const test = suite('bytes of a day')

const DAY_MS = 86_400_000

function isUsed(work: () => unknown): boolean {
  try {
    work()
    return false
  } catch (error) {
    return error instanceof UploadError && error.code === 'owner_bytes_used'
  }
}

test('owner_bytes_used: an owner sends no more than the limit in a day, and others are not hindered', () => {
  const bytes = new DayBytes(100, () => DAY_MS)
  bytes.reserve('ann', 60, 0)(60)
  assert.ok(isUsed(() => bytes.reserve('ann', 41, 0)))
  assert.ok(
    isUsed(() => bytes.reserve('ann', 0, 41)),
    'an upload that cannot be sent today',
  )
  bytes.reserve('bob', 100, 100)(100)
  bytes.reserve('ann', 40, 0)(40)
  assert.ok(
    isUsed(() => bytes.reserve('ann', 0, 0)),
    'a body whose length is not known',
  )
})

test('requests at once count together, and what was not stored is given back', () => {
  const bytes = new DayBytes(100, () => DAY_MS)
  const first = bytes.reserve('ann', 60, 0)
  assert.ok(isUsed(() => bytes.reserve('ann', 60, 0)))
  first(10)
  bytes.reserve('ann', 60, 0)(60)
  bytes.reserve('ann', 0, 0)(30)
  assert.ok(isUsed(() => bytes.reserve('ann', 1, 0)))
})

test('a new day begins at zero, also for a request that began the day before', () => {
  let now = DAY_MS
  const bytes = new DayBytes(100, () => now)
  const late = bytes.reserve('ann', 90, 0)
  now += DAY_MS
  late(90)
  assert.ok(
    isUsed(() => bytes.reserve('ann', 11, 0)),
    'its bytes count for the day on which it ended',
  )
  bytes.reserve('ann', 10, 0)(10)
  now += DAY_MS
  bytes.reserve('ann', 100, 0)(100)
})

test('without a limit nothing is counted', () => {
  const bytes = new DayBytes('off', () => DAY_MS)
  for (let n = 0; n < 3; n++) bytes.reserve('ann', Number.MAX_SAFE_INTEGER, 0)(Number.MAX_SAFE_INTEGER)
})

test.run()
