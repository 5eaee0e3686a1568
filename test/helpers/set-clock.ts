/**
 * Loaded by Node before a server, with --import: on SIGUSR2 the date goes back by a day, on SIGWINCH forward by one,
 * as where somebody sets the machine's clock. It says so on standard error. With TEST_CLOCK_SPEED every clock goes so
 * many times as fast; timers do not.
 */
import { isMainThread } from 'node:worker_threads'

const DAY_MS = 24 * 3_600_000
const realDate = Date.now
const realElapsed = performance.now.bind(performance)
const startedAt = realElapsed()
const speed = Number(process.env.TEST_CLOCK_SPEED ?? 1)
let shiftMs = 0

const ahead = (): number => (realElapsed() - startedAt) * (speed - 1)
performance.now = () => realElapsed() + ahead()
Date.now = () => Math.floor(realDate() + ahead() + shiftMs)

function shiftBy(ms: number): void {
  shiftMs += ms
  console.error(`the clock was set by ${ms} ms`)
}

if (isMainThread) {
  process.on('SIGUSR2', () => shiftBy(-DAY_MS))
  process.on('SIGWINCH', () => shiftBy(DAY_MS))
}
