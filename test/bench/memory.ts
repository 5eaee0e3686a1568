import type { Contender } from './contenders.js'
import { load } from './load.js'
import { resetPeak, rssOf, usageOf } from './usage.js'
import { freeBytes, type Workspace } from './workspace.js'

const UPLOADS = 10
const SETTLE_MS = 2_000
const LOOK_EVERY_MS = 5_000
const MOST_ABOVE_IDLE_BYTES = 50e6
const MOST_APART_BYTES = 10e6
const MOST_IDLE_BYTES = 100e6
const MOST_P99_MS = 30

/** Ten uploads at once, of one size. */
export interface MemoryRun {
  readonly fileBytes: number
  readonly idleRssBytes: number
  readonly peakRssBytes: number
  readonly eventLoopP99Ms: number
  readonly megabytesPerSecond: number
}

/** Runs ten parallel uploads of 4 GiB, then of 400 MB; with the reason where there is no room for them. */
export async function measureMemory(
  contender: Contender,
  workspace: Workspace,
  divisor: number,
): Promise<readonly MemoryRun[] | { skipped: string }> {
  const sizes = [2 ** 32 / divisor, 400e6 / divisor]
  const need = UPLOADS * Math.max(...sizes) * 1.1
  if (freeBytes(workspace.folder) < need)
    return { skipped: `${workspace.folder} has no room for ${Math.ceil(need / 1e9)} GB` }
  const runs: MemoryRun[] = []
  for (const bytes of sizes) runs.push(await run(contender, workspace, bytes))
  return runs
}

async function run(contender: Contender, workspace: Workspace, fileBytes: number): Promise<MemoryRun> {
  const folder = await workspace.fresh()
  const server = await contender.start(folder)
  const pid = server.pid ?? 0
  let eventLoopP99Ms = 0
  const look = async (): Promise<void> => {
    eventLoopP99Ms = Math.max(eventLoopP99Ms, await eventLoopOf(server.url))
  }
  const timer = setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS)
  try {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    const idleRssBytes = rssOf(pid)
    resetPeak(pid)
    const upload = { kind: 'upload', method: 'tus', remove: false } as const
    const { seconds } = await load({ ...upload, url: server.url, bytes: fileBytes, parallel: UPLOADS })
    await look()
    const peakRssBytes = usageOf(pid)?.peakRssBytes ?? Number.NaN
    const megabytesPerSecond = (UPLOADS * fileBytes) / 1e6 / seconds
    return { fileBytes, idleRssBytes, peakRssBytes, eventLoopP99Ms, megabytesPerSecond }
  } finally {
    clearInterval(timer)
    await server.kill()
    await workspace.remove(folder)
  }
}

async function eventLoopOf(url: string): Promise<number> {
  const answer = await fetch(new URL('/api/status', url))
  const { eventLoop }: { eventLoop: { p99Ms: number } } = JSON.parse(await answer.text())
  return eventLoop.p99Ms
}

/** The runs against what was promised, as lines of text. */
export function judgeMemory(runs: readonly MemoryRun[]): readonly string[] {
  const lines = runs.map((each) => {
    const above = each.peakRssBytes - each.idleRssBytes
    const figures = [
      `idle ${megabytes(each.idleRssBytes)} (${met(each.idleRssBytes < MOST_IDLE_BYTES)} < 100)`,
      `peak ${megabytes(each.peakRssBytes)}`,
      `above idle ${megabytes(above)} (${met(above < MOST_ABOVE_IDLE_BYTES)} < 50)`,
      `event loop p99 ${each.eventLoopP99Ms} ms (${met(each.eventLoopP99Ms < MOST_P99_MS)} < 30)`,
      `${each.megabytesPerSecond.toFixed(0)} MB/s`,
    ]
    return `10 × ${megabytes(each.fileBytes)}: ${figures.join(', ')}`
  })
  const peaks = runs.map(({ peakRssBytes }) => peakRssBytes)
  const apart = Math.max(...peaks) - Math.min(...peaks)
  return [...lines, `the peaks are ${megabytes(apart)} apart (${met(apart < MOST_APART_BYTES)} < 10)`]
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`
}

function met(yes: boolean): string {
  return yes ? 'met:' : 'MISSED:'
}
