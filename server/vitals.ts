import { readdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { cpuUsage, memoryUsage, pid, report, resourceUsage, uptime, version, versions } from 'node:process'

// A timer every 10 ms would cost an idle server 1 % of a core.
const RESOLUTION_MS = 50
const WINDOW_MS = 60_000

/** The memory of the process, and the delay of its event loop in the last one to two minutes. */
export class Vitals {
  #current = startedHistogram()
  #earlier: IntervalHistogram | undefined
  #rssBytes = memoryUsage.rss()
  readonly #openFilesLimit = openFilesLimit()
  readonly #startedAtSeconds = Date.now() / 1000 - uptime()
  readonly #timer = setInterval(() => this.#turn(), WINDOW_MS).unref()

  /** Delay of the event loop in milliseconds; the interval of the timer is subtracted. */
  eventLoop(): { p50Ms: number; p99Ms: number } {
    return { p50Ms: this.#delay(50), p99Ms: this.#delay(99) }
  }

  /** Resident memory in bytes: now, and its peak. */
  memory(): { rssBytes: number; rssPeakBytes: number } {
    try {
      this.#rssBytes = memoryUsage.rss()
    } catch {
      // Node reads it from a file, which fails without a free descriptor. Use the last value.
    }
    return { rssBytes: this.#rssBytes, rssPeakBytes: resourceUsage().maxRSS * 1024 }
  }

  /** What the process has used so far, and what it has now. `openFiles` is null where the system does not say. */
  process() {
    const { user, system } = cpuUsage()
    const { rss, heapUsed, heapTotal, external } = memoryUsage()
    return {
      nodeVersion: version,
      userCpuSeconds: user / 1e6,
      systemCpuSeconds: system / 1e6,
      residentBytes: rss,
      heapUsedBytes: heapUsed,
      heapTotalBytes: heapTotal,
      externalBytes: external,
      openFiles: openFiles(),
      openFilesLimit: this.#openFilesLimit,
      startedAtSeconds: this.#startedAtSeconds,
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#current.disable()
  }

  #turn(): void {
    this.#current.disable()
    this.#earlier = this.#current
    this.#current = startedHistogram()
  }

  #delay(percentile: number): number {
    const windows = [this.#current, ...(this.#earlier ? [this.#earlier] : [])]
    const worstNs = Math.max(
      ...windows.map((window) => (window.count > 0 ? window.percentile(percentile) : 0)),
    )
    return Math.max(0, Math.round((worstNs / 1e6 - RESOLUTION_MS) * 10) / 10)
  }
}

/** The id, host and start of this process, for an operator. In a container the host is the container's name. */
export function processName(): string {
  return `process ${pid} on ${hostname()}, started ${new Date().toISOString()}`
}

function startedHistogram(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}

/** How many files and sockets this process may have open at once; Infinity without a limit. */
export function openFilesLimit(): number {
  const limit = linuxLimit() ?? reportedLimit()
  return limit === undefined || limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
}

/** The newest version of Node-API that this Node has: libraries with a native part may need one. */
export function nodeApiVersion(): number {
  return Number(versions.napi ?? 0)
}

function openFiles(): number | null {
  try {
    // Less the one that reads the folder.
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return null
  }
}

function linuxLimit(): string | undefined {
  try {
    return /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  } catch {
    return undefined
  }
}

/** For systems without /proc; slow. */
function reportedLimit(): string | undefined {
  const found: unknown = report?.getReport()
  return /"open_files":\s*\{\s*"soft":\s*"?(\d+|unlimited)/.exec(JSON.stringify(found) ?? '')?.[1]
}
