import type { Contender, RunningServer } from './contenders.js'
import type { Job, JobResult } from './job.js'
import { load } from './load.js'
import { type Usage, usageOf } from './usage.js'
import type { Workspace } from './workspace.js'

const MIB = 2 ** 20

/** What every server gets before it is measured. */
export const WARM_UP = { bytes: 64 * MIB, small: 200 }
/** The small uploads. */
export const SMALL = { bytes: 4096, parallel: 8 }

/** One measurement of one server. */
export interface Sample {
  /** MB/s (10^6 bytes), or uploads a second in the case `small`. */
  readonly rate: number
  /** Of the server, a GiB, or a thousand uploads in the case `small`; undefined where it is not seen. */
  readonly cpuSeconds: number | undefined
  /** Of the server since its start. */
  readonly peakRssBytes: number | undefined
}

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

/** A server is measured as it runs after a while, not while its code is being compiled. */
export async function warmUp(contender: Contender, server: RunningServer): Promise<void> {
  const shared = { url: server.url, method: contender.method, remove: isForeign(server) }
  await load({ kind: 'upload', ...shared, bytes: WARM_UP.bytes, parallel: 1 })
  await load({ kind: 'small', ...shared, ...SMALL, count: WARM_UP.small })
}

/** Does the job; `rateUnits` and `cpuUnits` are its size in what rate and processor time are counted by. */
export async function measured(
  server: RunningServer,
  job: Job,
  rateUnits: number,
  cpuUnits: number,
): Promise<Sample> {
  const { pid } = server
  const before = pid === undefined ? undefined : usageOf(pid)
  const result: JobResult = await load(job)
  const after: Usage | undefined = pid === undefined ? undefined : usageOf(pid)
  const cpu = before && after ? (after.cpuSeconds - before.cpuSeconds) / cpuUnits : undefined
  return { rate: rateUnits / result.seconds, cpuSeconds: cpu, peakRssBytes: after?.peakRssBytes }
}

/** Files of a server that is not ours are removed by request. */
export function isForeign(server: RunningServer): boolean {
  return server.pid === undefined
}
