import { setTimeout as pause } from 'node:timers/promises'
import type { Unfinished } from './unfinished.js'

const COUNT_EVERY_MS = 2_000
/** The pause is so many times as long as counting. */
const SHARE_OF_TIME = 50

interface CountTools {
  readonly unfinished: Pick<Unfinished, 'noteAll'>
  /** How many are unfinished on all nodes. Rejects where the database cannot be asked: the last count stays. */
  readonly count: () => Promise<number>
  readonly log: { error(fields: object, message: string): void }
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** Counts the unfinished uploads of all nodes again and again. Returns what ends it. */
export function countAllUnfinished(tools: CountTools): () => void {
  const ended = new AbortController()
  void run(tools, ended.signal)
  return () => ended.abort()
}

/** Never rejects. */
async function run({ unfinished, count, log, monotonic }: CountTools, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    const beganMs = monotonic()
    try {
      unfinished.noteAll(await count())
    } catch (error) {
      if (!ended.aborted) log.error({ err: error }, 'the unfinished uploads of all nodes cannot be counted')
    }
    const pauseMs = Math.max(COUNT_EVERY_MS, (monotonic() - beganMs) * SHARE_OF_TIME)
    await pause(pauseMs, undefined, { ref: false, signal: ended }).catch(() => {})
  }
}
