import type { CaseName, Contender, RunningServer } from './contenders.js'
import type { Job, JobResult } from './job.js'
import { load } from './load.js'
import { type Usage, usageOf } from './usage.js'
import type { Workspace } from './workspace.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const WARM_UP = { bytes: 64 * MIB, small: 200 }
const SMALL = { bytes: 4096, parallel: 8 }

/** One measurement of one server. */
export interface Sample {
  /** MB/s (10^6 bytes), or uploads a second in the case `small`. */
  readonly rate: number
  /** Of the server, a GiB, or a thousand uploads in the case `small`; undefined where it is not seen. */
  readonly cpuSeconds: number | undefined
  /** Of the server since its start. */
  readonly peakRssBytes: number | undefined
}

export interface Case {
  readonly name: Exclude<CaseName, 'memory'>
  readonly title: string
  readonly rateUnit: string
  readonly cpuUnit: string
  /** What it writes. */
  readonly bytes: number
  measure(contender: Contender, workspace: Workspace): Promise<Sample>
}

/** The cases; sizes and counts are divided by `divisor`. */
export function cases(divisor: number): readonly Case[] {
  const [one, eight, count] = [GIB / divisor, (256 * MIB) / divisor, 4_000 / divisor]
  const megabytes = { rateUnit: 'MB/s', cpuUnit: 'CPU s/GiB' }
  return [
    {
      ...{ name: 'one', title: `1 × ${one / MIB} MiB in one request`, ...megabytes, bytes: one },
      measure: (contender, workspace) => bulk(contender, workspace, { bytes: one, parallel: 1 }),
    },
    {
      ...{ name: 'eight', title: `8 × ${eight / MIB} MiB in parallel`, ...megabytes, bytes: 8 * eight },
      measure: (contender, workspace) => bulk(contender, workspace, { bytes: eight, parallel: 8 }),
    },
    {
      ...{ name: 'resume', title: `the second half of ${one / MIB} MiB after kill -9 and a restart` },
      ...{ ...megabytes, bytes: one },
      measure: (contender, workspace) => resume(contender, workspace, one),
    },
    {
      ...{ name: 'small', title: `${count} × 4 KiB, POST + PATCH, 8 clients`, rateUnit: 'uploads/s' },
      ...{ cpuUnit: 'CPU s/1000', bytes: count * SMALL.bytes },
      measure: (contender, workspace) => small(contender, workspace, count),
    },
  ]
}

async function bulk(contender: Contender, workspace: Workspace, size: { bytes: number; parallel: number }) {
  await workspace.warm(size.bytes * size.parallel + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    await warmUp(contender, server)
    const { method } = contender
    const job = { kind: 'upload', url: server.url, method, ...size, remove: isForeign(server) } as const
    return measured(server, job, (size.bytes * size.parallel) / 1e6, (size.bytes * size.parallel) / GIB)
  })
}

async function small(contender: Contender, workspace: Workspace, count: number): Promise<Sample> {
  // A file takes at least one page, and its sidecar and row too.
  await workspace.warm(count * SMALL.bytes * 8 + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    await warmUp(contender, server)
    const { method } = contender
    const job = {
      kind: 'small',
      url: server.url,
      method,
      ...SMALL,
      count,
      remove: isForeign(server),
    } as const
    return measured(server, job, count, count / 1_000)
  })
}

async function resume(contender: Contender, workspace: Workspace, bytes: number): Promise<Sample> {
  await workspace.warm(bytes + WARM_UP.bytes)
  const folder = await workspace.fresh()
  let server = await contender.start(folder)
  try {
    const [location = ''] = (await load({ kind: 'first-half', url: server.url, bytes })).locations
    await server.kill()
    server = await contender.start(folder)
    const url = new URL(new URL(location).pathname, server.url).href
    return await measured(server, { kind: 'second-half', url, bytes }, bytes / 2 / 1e6, bytes / 2 / GIB)
  } finally {
    await server.kill()
    await workspace.remove(folder)
  }
}

async function within(
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
async function warmUp(contender: Contender, server: RunningServer): Promise<void> {
  const shared = { url: server.url, method: contender.method, remove: isForeign(server) }
  await load({ kind: 'upload', ...shared, bytes: WARM_UP.bytes, parallel: 1 })
  await load({ kind: 'small', ...shared, ...SMALL, count: WARM_UP.small })
}

/** Does the job; `rateUnits` and `cpuUnits` are its size in what rate and processor time are counted by. */
async function measured(
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
function isForeign(server: RunningServer): boolean {
  return server.pid === undefined
}
