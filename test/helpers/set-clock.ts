/**
 * Loaded by Node before a server, with --import: on SIGUSR2 the date goes back by a day, on SIGWINCH forward by one,
 * as where somebody sets the machine's clock. It says so on standard error.
 */
import { isMainThread } from 'node:worker_threads'

const DAY_MS = 24 * 3_600_000
const realNow = Date.now
let shiftMs = 0

Date.now = () => realNow() + shiftMs

function shiftBy(ms: number): void {
  shiftMs += ms
  console.error(`the clock was set by ${ms} ms`)
}

if (isMainThread) {
  process.on('SIGUSR2', () => shiftBy(-DAY_MS))
  process.on('SIGWINCH', () => shiftBy(DAY_MS))
}
