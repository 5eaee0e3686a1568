import { MultiBar, type SingleBar } from 'cli-progress'
import type { Console } from './console.js'
import { shownBytes, shownSeconds } from './printable.js'

const PLAIN_EVERY_MS = 10_000
const DRAWN_A_SECOND = 5
/** Speed is that of the last seconds. */
const SPEED_OVER_MS = 5_000
const SAMPLE_EVERY_MS = 250
const FORMAT = '{bar} {percent} | {done} of {all} | {speed}/s | {left} left | {count}'

interface Sample {
  readonly atMs: number
  readonly bytes: number
}

/** How far a long work is. */
export interface Standing {
  readonly doneBytes: number
  /** Null where it is not known. */
  readonly totalBytes: number | null
  /** What is counted beside bytes, e.g. `3 of 12 files`. */
  readonly count: string
}

/**
 * Shows how far a work is: a bar with speed and time left where standard error is a terminal, and elsewhere a plain
 * line every ten seconds. Lines of results go to standard output, above the bar.
 */
export class Progress {
  readonly #console: Pick<Console, 'stdout' | 'stderr'>
  readonly #look: () => Standing
  readonly #bars: MultiBar | undefined
  readonly #bar: SingleBar | undefined
  readonly #timer: NodeJS.Timeout
  #samples: Sample[]

  /** `look` is asked a few times a second. */
  constructor(console: Pick<Console, 'stdout' | 'stderr'>, look: () => Standing) {
    this.#console = console
    this.#look = look
    this.#samples = [{ atMs: performance.now(), bytes: look().doneBytes }]
    if (console.stderr.isTTY) {
      this.#bars = new MultiBar({
        stream: console.stderr,
        format: FORMAT,
        fps: DRAWN_A_SECOND,
        barsize: 24,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        hideCursor: true,
        clearOnComplete: true,
        gracefulExit: false,
        emptyOnZero: true,
        forceRedraw: true,
      })
      this.#bar = this.#bars.create(0, 0, this.#shown(look()))
    }
    const everyMs = this.#bars ? SAMPLE_EVERY_MS : PLAIN_EVERY_MS
    this.#timer = setInterval(() => this.#draw(), everyMs).unref()
  }

  /** Prints a result on standard output. */
  line(text: string): void {
    if (this.#bars && this.#console.stdout.isTTY) this.#bars.log(`${text}\n`)
    else this.#console.stdout.write(`${text}\n`)
  }

  /** Prints a complaint on standard error. */
  complain(text: string): void {
    if (this.#bars) this.#bars.log(`${text}\n`)
    else this.#console.stderr.write(`${text}\n`)
  }

  /** Removes the bar; lines that wait are printed before. */
  end(): void {
    clearInterval(this.#timer)
    if (!this.#bars) return
    this.#bars.update()
    this.#bars.stop()
  }

  #draw(): void {
    const standing = this.#look()
    const shown = this.#shown(standing)
    if (this.#bar) {
      // Without a total the bar stays empty.
      this.#bar.setTotal(standing.totalBytes ?? 0)
      this.#bar.update(standing.totalBytes === null ? 0 : standing.doneBytes, shown)
      return
    }
    const { done, all, speed, left, count } = shown
    this.#console.stderr.write(`${done} of ${all}, ${speed}/s, ${left} left, ${count}\n`)
  }

  #shown({ doneBytes, totalBytes, count }: Standing) {
    const bytesPerSecond = this.#speed(doneBytes)
    const leftBytes = Math.max(0, (totalBytes ?? doneBytes) - doneBytes)
    const isKnown = totalBytes !== null && bytesPerSecond > 0
    return {
      percent: totalBytes === null ? '?%' : `${percentOf(doneBytes, totalBytes)}%`,
      done: shownBytes(doneBytes),
      all: totalBytes === null ? 'unknown' : shownBytes(totalBytes),
      speed: shownBytes(bytesPerSecond),
      left: isKnown ? shownSeconds(leftBytes / bytesPerSecond) : 'unknown time',
      count,
    }
  }

  /** Bytes a second over the last seconds; a retry may take bytes back. */
  #speed(bytes: number): number {
    const atMs = performance.now()
    this.#samples.push({ atMs, bytes })
    const [oldest = { atMs, bytes }] = this.#samples
    if (this.#samples.length > 2 && atMs - oldest.atMs > SPEED_OVER_MS) this.#samples.shift()
    const overMs = atMs - oldest.atMs
    return overMs > 0 ? Math.max(0, ((bytes - oldest.bytes) * 1_000) / overMs) : 0
  }
}

function percentOf(doneBytes: number, totalBytes: number): number {
  return totalBytes === 0 ? 0 : Math.min(100, Math.floor((doneBytes * 100) / totalBytes))
}
