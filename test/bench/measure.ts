import type { Contender, RunningServer } from './contenders.js'
import type { Endpoint, Job } from './job.js'
import { load } from './load.js'
import type { Sample } from './result.js'
import { resetPeak, rssOf, usageOf } from './usage.js'
import type { Workspace } from './workspace.js'

const MIB = 2 ** 20
const SETTLE_MS = 2_000

/** The uploads that a server takes before it is measured. */
export const WARM_UP = { bytes: 64 * MIB, small: 200 }
/** The small uploads. */
export const SMALL = { bytes: 4096, parallel: 8 }

/** Runs a server over a folder of its own for `work`, and ends it. */
export async function within(
  contender: Contender,
  workspace: Workspace,
  work: (server: RunningServer) => Promise<Sample>,
): Promise<Sample> {
  const folder = await workspace.fresh()
  const server = await contender.start(folder)
  try {
    return await work(server)
  } finally {
    await server.kill()
    await workspace.remove(folder)
  }
}

/** Warms a server up: V8 compiles the code that the measurement uses. */
export async function warmUp(server: Endpoint): Promise<void> {
  await load({ kind: 'upload', server, bytes: WARM_UP.bytes, parallel: 1 })
  await warmUpSmall(server)
}

/** The same with small uploads alone, for a case whose peak of memory must not come from a large one. */
export async function warmUpSmall(server: Endpoint): Promise<void> {
  await load({ kind: 'many', server, ...SMALL, count: WARM_UP.small })
}

/** The memory of a server two seconds after its start, in bytes; undefined if it did not start just now. */
export async function idleMemory({ pid, isFresh }: RunningServer): Promise<number | undefined> {
  if (pid === undefined || !isFresh) return undefined
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const idle = rssOf(pid)
  // A start may need more than the server does afterwards.
  resetPeak(pid)
  return idle
}

/** Does the job; `rateUnits` and `cpuUnits` are its size in what rate and processor time are counted by. */
export async function measured(
  { pid, isFresh }: RunningServer,
  job: Job,
  rateUnits: number,
  cpuUnits: number,
): Promise<Sample> {
  if (pid !== undefined && !isFresh) resetPeak(pid)
  const before = pid === undefined ? undefined : usageOf(pid)
  const { seconds, digestCpuSeconds } = await load(job)
  const after = pid === undefined ? undefined : usageOf(pid)
  const cpu = before && after ? after.cpuSeconds - before.cpuSeconds + digestCpuSeconds : undefined
  return {
    rate: rateUnits / seconds,
    cpuSeconds: cpu === undefined ? undefined : cpu / cpuUnits,
    peakRssBytes: after?.peakRssBytes,
  }
}
