import { setTimeout } from 'node:timers/promises'
import { systemCodeOf } from '../errors.js'

/** What needs a descriptor is tried again for so long where the process, or the system, has none left. */
const DESCRIPTOR_WITHIN_MS = 10_000
const DESCRIPTOR_EVERY_MS = 100

/**
 * Tries `work` again while there is no descriptor for it, for ten seconds at most, or until `isOver`. Settles as the
 * last try does.
 */
export async function withDescriptor<T>(work: () => Promise<T>, isOver: () => boolean): Promise<T> {
  const untilMs = performance.now() + DESCRIPTOR_WITHIN_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const isExhausted = ['EMFILE', 'ENFILE'].includes(systemCodeOf(error))
      if (!isExhausted || isOver() || performance.now() >= untilMs) throw error
    }
    await setTimeout(DESCRIPTOR_EVERY_MS, undefined, { ref: false })
  }
}
