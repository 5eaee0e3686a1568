import type { CaseName, Contender } from './contenders.js'
import { load } from './load.js'
import { isForeign, measured, type Sample, SMALL, WARM_UP, warmUp, within } from './measure.js'
import type { Workspace } from './workspace.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const CHUNK_BYTES = 8 * MIB
const JOINED = { parts: 4, uploads: 4 }

export interface Case {
  readonly name: Exclude<CaseName, 'memory' | 'attacks'>
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
    {
      ...{ name: 'checked', title: `1 × ${one / MIB} MiB in requests of 8 MiB, with and without checksums` },
      ...{ ...megabytes, bytes: one },
      measure: (contender, workspace) => checked(contender, workspace, one),
    },
    {
      ...{
        name: 'joining',
        title: `4 × ${one / 2 / MIB} MiB beside the joining of ${(4 * one) / MIB} MiB, and alone`,
      },
      ...{ ...megabytes, bytes: 2 * one },
      measure: (contender, workspace) => joining(contender, workspace, one),
    },
  ]
}

async function checked(contender: Contender, workspace: Workspace, bytes: number): Promise<Sample> {
  await workspace.warm(bytes + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    await warmUp(contender, server)
    const sizes = { bytes, chunkBytes: CHUNK_BYTES, checksum: contender.checksum ?? null }
    return measured(server, { kind: 'chunks', url: server.url, ...sizes }, bytes / 1e6, bytes / GIB)
  })
}

/** How fast others upload while a final upload is joined; the joining has to last longer than they do. */
async function joining(contender: Contender, workspace: Workspace, partBytes: number): Promise<Sample> {
  const bytes = 2 * partBytes
  await workspace.warm(2 * JOINED.parts * partBytes + bytes + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    await warmUp(contender, server)
    const { url } = server
    const { locations } = await load({ kind: 'parts', url, bytes: partBytes, parallel: JOINED.parts })
    let isJoined = false
    if (contender.joins) {
      const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Concat': `final;${locations.join(' ')}` }
      // Answered after 20 s at the latest; the server is killed before, where the uploads are done by then.
      fetch(url, { method: 'POST', headers }).then(
        () => {
          isJoined = true
        },
        () => {},
      )
    }
    const each = { bytes: bytes / JOINED.uploads, parallel: JOINED.uploads }
    const job = { kind: 'upload', url, method: 'tus', ...each, remove: false } as const
    const sample = await measured(server, job, bytes / 1e6, bytes / GIB)
    if (isJoined) throw new Error('the joining was over before the uploads beside it were')
    return sample
  })
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
