import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './server.js'
import { startServer } from './servers.js'

const PRELOAD = new URL('./hold-calls.js', import.meta.url).href

type Call = 'writeSync' | 'unlinkSync' | 'renameSync'

/** Starts a server whose disk can be held. `hold` makes these calls wait, and no others; `hold()` frees the disk. */
export async function startWithHeldDisk(flags: readonly string[] = []) {
  const names = join(temporaryFolder(), 'held-calls')
  const hold = (...calls: readonly Call[]): void => {
    // Replaced at once: the server may read it at any time.
    writeFileSync(`${names}.new`, calls.join(' '))
    renameSync(`${names}.new`, names)
  }
  hold()
  const options = process.env.NODE_OPTIONS
  Object.assign(process.env, { NODE_OPTIONS: `--import=${PRELOAD}`, TEST_HELD_CALLS: names })
  try {
    return { server: await startServer(flags), hold }
  } finally {
    delete process.env.TEST_HELD_CALLS
    if (options === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = options
  }
}
