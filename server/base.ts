import type { Config } from './config.js'
import { createLog } from './log.js'
import { QuietLog } from './quiet-log.js'

// Of lines that say the same within seconds, so many are written; the others are counted. Faults are worth more lines.
const REFUSALS_IN_FULL = 1
const FAULTS_IN_FULL = 100

/** The clocks and the logs. */
export async function createBase(config: Config) {
  const log = await createLog(config)
  return {
    log,
    refusals: new QuietLog(log, { inFull: REFUSALS_IN_FULL }),
    faults: new QuietLog(log, { inFull: FAULTS_IN_FULL }),
    // For dates: of what is kept, and of what is compared with files.
    now: Date.now,
    // For how long something takes: nobody sets this clock.
    monotonic: () => performance.now(),
  }
}
