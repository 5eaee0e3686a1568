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

test('nothing is held against a sender that is not read', () => {
  const pace = new Pace(LIMITS, 0)
  pace.pause(10_000)
  assert.is(pace.fault(500_000), undefined)
})

/** What a sender does: at these intervals, so many bytes, each followed by a pause of ours. */
interface Sender {
  readonly name: string
  readonly everyMs: number
  readonly bytes: number
  readonly pausedMs: number
  readonly ends: 'idle' | 'slow' | undefined
  /** When it is ended, in milliseconds. */
  readonly atMs?: number
}

const SENDERS: readonly Sender[] = [
  { name: 'one byte each 300 ms', everyMs: 300, bytes: 1, pausedMs: 1, ends: 'slow', atMs: 60_300 },
  { name: '12 bytes each 18 s', everyMs: 18_000, bytes: 12, pausedMs: 1, ends: 'slow', atMs: 72_000 },
  { name: 'a byte each 29 s', everyMs: 29_000, bytes: 1, pausedMs: 5, ends: 'slow', atMs: 87_000 },
  { name: 'a byte each 31 s', everyMs: 31_000, bytes: 1, pausedMs: 1, ends: 'idle', atMs: 31_000 },
  // We read for half of the time, so a minute of its own takes two.
  {
    name: 'a byte each second, half of it unread',
    everyMs: 1000,
    bytes: 1,
    pausedMs: 500,
    ends: 'slow',
    atMs: 119_000,
  },
  { name: 'enough, half of it unread', everyMs: 1000, bytes: 9, pausedMs: 500, ends: undefined },
  { name: 'enough', everyMs: 1000, bytes: 17, pausedMs: 0, ends: undefined },
]

for (const { name, everyMs, bytes, pausedMs, ends, atMs } of SENDERS) {
  test(`only time in which we did not read is forgiven: ${name}`, () => {
    const pace = new Pace(LIMITS, 0)
    let now = 0
    let fault: string | undefined
    while (fault === undefined && now < 300_000) {
      now += everyMs
      fault = pace.fault(now)
      if (fault !== undefined) break
      pace.add(bytes, now)
      pace.pause(now)
      // As in the intake: the pause is told more than once, and the end of none does nothing.
      pace.pause(now + pausedMs / 2)
      pace.resume(now + pausedMs)
      pace.resume(now + pausedMs)
    }
    assert.is(fault, ends)
    if (atMs !== undefined) assert.is(now, atMs)
  })
}

test('bytes that had been read before a pause and are handed over in it still count as the last ones', () => {
  const pace = new Pace(LIMITS, 0)
  pace.pause(1000)
  pace.add(1, 20_000)
  pace.resume(21_000)
  assert.is(pace.fault(50_999), undefined)
  assert.is(pace.fault(51_000), 'idle')
})

test('no minimum rate means that any rate will do', () => {
  const pace = new Pace({ ...LIMITS, minRateBytesPerMinute: 0 }, 0)
  pace.add(1, 59_999)
  assert.is(pace.fault(60_000), undefined)
})

test.run()
