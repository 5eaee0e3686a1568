const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000]

/** How long each try waits after the one before it failed, in milliseconds (Standard Webhooks 1.0.0). */
export const SCHEDULE_MS: readonly number[] = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
]

/** An endpoint may ask for a later try, but for no longer than this. */
const MOST_ASKED_MS = 24 * HOUR
/** Tries are spread by so much of their wait, so that many uploads do not come back in one moment. */
const JITTER = 0.1

/**
 * How long to wait after the try number `step` of the schedule failed, in milliseconds; null where the schedule is
 * over. `afterMs` is what the endpoint asked for, `random` a number from 0 to 1.
 */
export function waitAfter(
  step: number,
  { scheduleMs, afterMs, random }: { scheduleMs: readonly number[]; afterMs: number | null; random: number },
): number | null {
  const waitMs = scheduleMs[step]
  if (waitMs === undefined) return null
  const spreadMs = waitMs * (1 - JITTER + 2 * JITTER * random)
  return Math.max(spreadMs, Math.min(Math.max(0, afterMs ?? 0), MOST_ASKED_MS))
}
