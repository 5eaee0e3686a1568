/** The process that runs one test file after the other; shared-process.ts starts it and names the files. */
import { pathToFileURL } from 'node:url'
import { END_OF_FILE, type FileOver, NO_MORE_FILES } from './shared-process.js'

/** uvu's own names. `UVU_DEFER` is read when uvu is loaded: with it, tests are started by `exec` alone. */
const global: { UVU_DEFER?: number; UVU_QUEUE?: unknown[][] } = Object.assign(globalThis, { UVU_DEFER: 1 })
const { exec } = await import('uvu')

let before: readonly string[] | undefined
let isDone = false

async function run(path: string): Promise<void> {
  before = traces()
  // From now on the loop is empty when nothing of the file is left in it, as if this process were the file's own.
  process.channel?.unref()
  // uvu runs groups of suites. A group begins with its title; ours has none.
  const suites: unknown[] = [null]
  global.UVU_QUEUE = [suites]
  await import(pathToFileURL(path).href)
  if (suites.length > 1) await exec()
  isDone = true
}

/** What a file can change for those that come after it. Listeners of "exit" act after all of them. */
function traces(): string[] {
  const events = process.eventNames().filter((name) => name !== 'exit')
  return [
    `working directory ${process.cwd()}`,
    ...Object.entries(process.env).map(([name, value]) => `environment ${name}=${value}`),
    ...events.map((name) => `${process.listenerCount(name)} listeners of ${String(name)}`),
  ]
}

process.on('message', (path) => {
  if (path === NO_MORE_FILES) process.disconnect()
  else void run(String(path))
})

// A file that is not done has a test that waits for what never comes: this process ends, and uvu says why.
process.on('beforeExit', () => {
  if (!isDone) return
  const now = traces()
  const changes = [
    ...now.filter((each) => !before?.includes(each)),
    ...(before ?? []).filter((each) => !now.includes(each)).map((each) => `${each} (was)`),
  ]
  const over: FileOver = { exit: Number(process.exitCode ?? 0), changes }
  isDone = false
  process.exitCode = 0
  process.channel?.ref()
  process.stdout.write(END_OF_FILE)
  process.stderr.write(END_OF_FILE)
  process.send?.(over)
})
