import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './server.js'
import { startServer } from './servers.js'

const PRELOAD = new URL('./faulty-calls.js', import.meta.url).href
/** Every file of an upload has it in its path; the log has not. */
const UPLOADS = '/uploads/'

type Call = 'writeSync' | 'unlinkSync' | 'renameSync'

/** A disk whose faults the test sets: one at a time. */
class FaultyDisk {
  readonly rules = join(temporaryFolder(), 'rules')

  constructor() {
    this.heal()
  }

  /** The call waits on files that have `part` in their path, until the disk heals. */
  hang(call: Call, part = UPLOADS): void {
    this.#set(`${call} hangs ${part}`)
  }

  /** The call fails on files that have `part` in their path, until the disk heals. */
  fail(call: Call, part = UPLOADS): void {
    this.#set(`${call} fails ${part}`)
  }

  /** The call ends its thread, once it has done its work, on files that have `part` in their path, until the disk heals. */
  endThread(call: Call, part = UPLOADS): void {
    this.#set(`${call} ends ${part}`)
  }

  heal(): void {
    this.#set('')
  }

  #set(rules: string): void {
    // Replaced at once: the server may read it at any time.
    writeFileSync(`${this.rules}.new`, rules)
    renameSync(`${this.rules}.new`, this.rules)
  }
}

/** Starts a server on a disk whose faults the test sets. */
export async function startOnFaultyDisk(flags: readonly string[] = []) {
  const disk = new FaultyDisk()
  const options = process.env.NODE_OPTIONS
  Object.assign(process.env, { NODE_OPTIONS: `--import=${PRELOAD}`, TEST_FAULTY_CALLS: disk.rules })
  try {
    return { server: await startServer(flags), disk }
  } finally {
    delete process.env.TEST_FAULTY_CALLS
    if (options === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = options
  }
}
