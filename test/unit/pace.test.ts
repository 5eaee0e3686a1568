import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Pace } from '../../server/intake/pace.js'

const LIMITS = { idleTimeoutMs: 30_000, minRateBytesPerMinute: 1000 }

test('a sender is idle once nothing came for the idle time-out, and not before', () => {
  const pace = new Pace(LIMITS, 0)
  pace.add(5000, 10_000)
  assert.is(pace.fault(39_999), undefined)
  assert.is(pace.fault(40_000), 'idle')
})

test('a sender that brings less than the minimum within a minute is slow', () => {
  const pace = new Pace(LIMITS, 0)
  for (let ms = 1000; ms <= 60_000; ms += 1000) pace.add(16, ms)
  assert.is(pace.fault(59_999), undefined)
  assert.is(pace.fault(60_000), 'slow')
})

test('a sender that brings the minimum goes on, and each minute counts by itself', () => {
  const pace = new Pace(LIMITS, 0)
  pace.add(1000, 59_000)
  assert.is(pace.fault(60_000), undefined)
  pace.add(999, 119_000)
  assert.is(pace.fault(120_000), 'slow')
})

test('time in which we did not read is not held against the sender', () => {
  const pace = new Pace(LIMITS, 0)
  pace.forgive(60_000)
  assert.is(pace.fault(60_001), undefined)
})

test('no minimum rate means that any rate will do', () => {
  const pace = new Pace({ ...LIMITS, minRateBytesPerMinute: 0 }, 0)
  pace.add(1, 59_999)
  assert.is(pace.fault(60_000), undefined)
})

test.run()
