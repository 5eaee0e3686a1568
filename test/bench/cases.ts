import type { Contender } from './contenders.js'
import { load } from './load.js'
import { idleMemory, measured, SMALL, WARM_UP, warmUp, warmUpSmall, within } from './measure.js'
import { MEMORY, measureMemory } from './memory.js'
import type { CaseFacts, Sample } from './result.js'
import type { Workspace } from './workspace.js'

const MIB = 2 ** 20
const GIB = 2 ** 30
const CHECKED_CHUNK_BYTES = 8 * MIB
/** What TUSKit sends. */
const PATCH_BYTES = 500 * 1024
const FOLDER = { bytes: 1_000_000, parallel: 10 }
const JOINED = { parts: 4, uploads: 4 }

export interface Case extends CaseFacts {
  /** Its variants: each is measured and has its name in the result; '' is the plain one. */
  readonly variants: readonly string[]
  /** How often it is measured, if not as often as --rounds says. */
  readonly rounds?: number
  /** Whether it needs more room than memory has, and so a disk. */
  readonly isOnDisk?: boolean
  /** Free space that it needs, in bytes. */
  readonly room: number
  measure(contender: Contender, workspace: Workspace, variant: string): Promise<Sample>
}

const PLAIN = ['']
const BYTES = { rateUnit: 'MB/s', cpuUnit: 'CPU s/GiB' }

/** The cases; sizes and counts are divided by `divisor`. */
export function cases(divisor: number): readonly Case[] {
  const one = GIB / divisor
  const eight = (256 * MIB) / divisor
  const [count, files] = [4_000 / divisor, 200 / divisor]
  return [
    {
      name: 'one',
      title: `1 × ${sizeOf(one)} in one request`,
      ...BYTES,
      variants: PLAIN,
      room: one,
      measure: (contender, workspace) => bulk(contender, workspace, { bytes: one, parallel: 1 }),
    },
    {
      name: 'eight',
      title: `8 × ${sizeOf(eight)} in parallel`,
      ...BYTES,
      variants: PLAIN,
      room: 8 * eight,
      measure: (contender, workspace) => bulk(contender, workspace, { bytes: eight, parallel: 8 }),
    },
    {
      name: 'resume',
      title: `second half of ${sizeOf(one)} after kill -9`,
      ...BYTES,
      variants: PLAIN,
      room: one,
      measure: (contender, workspace) => resume(contender, workspace, one),
    },
    {
      name: 'patches',
      title: `1 × ${sizeOf(one)} in one PATCH, or in PATCHes of 500 KiB`,
      ...BYTES,
      variants: ['', '500 KiB'],
      room: one,
      measure: (contender, workspace, variant) => {
        return chunks(contender, workspace, one, variant === '' ? one : PATCH_BYTES, null)
      },
    },
    {
      name: 'many',
      title: `${files} × 1 MB, POST + PATCH, ten at once`,
      ...BYTES,
      variants: PLAIN,
      room: files * FOLDER.bytes,
      measure: (contender, workspace) => many(contender, workspace, files),
    },
    {
      name: 'small',
      title: `${count} × 4 KiB, POST + PATCH, 8 clients`,
      rateUnit: 'uploads/s',
      cpuUnit: 'CPU s/1000',
      variants: PLAIN,
      // A file takes at least one page, and its sidecar and row too.
      room: count * SMALL.bytes * 8,
      measure: (contender, workspace) => small(contender, workspace, count),
    },
    {
      name: 'checked',
      title: `1 × ${sizeOf(one)} in requests of 8 MiB, with Upload-Checksum or without`,
      ...BYTES,
      variants: ['', 'sha1', 'sha256'],
      room: one,
      measure: (contender, workspace, variant) => {
        return chunks(contender, workspace, one, CHECKED_CHUNK_BYTES, variant === '' ? null : variant)
      },
    },
    {
      name: 'joining',
      title: `4 × ${sizeOf(one / 2)} alone, or while ${sizeOf(4 * one)} are joined`,
      ...BYTES,
      variants: ['', 'joining'],
      room: 2 * JOINED.parts * one + 2 * one,
      measure: (contender, workspace, variant) => joining(contender, workspace, one, variant !== ''),
    },
    {
      name: 'downloads',
      title: `1 × ${sizeOf(one)} fetched with GET`,
      ...BYTES,
      variants: PLAIN,
      room: one,
      measure: (contender, workspace) => download(contender, workspace, one),
    },
    {
      name: 'memory',
      title: 'ten uploads at once, of 4 GiB or of 400 MB each',
      ...BYTES,
      variants: Object.keys(MEMORY.bytes),
      rounds: 1,
      isOnDisk: true,
      room: (MEMORY.uploads * Math.max(...Object.values(MEMORY.bytes))) / divisor,
      measure: (contender, workspace, variant) => {
        return measureMemory(contender, workspace, (MEMORY.bytes[variant] ?? 0) / divisor)
      },
    },
  ]
}

async function bulk(contender: Contender, workspace: Workspace, size: { bytes: number; parallel: number }) {
  const total = size.bytes * size.parallel
  await workspace.warm(total + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    await warmUp(server.endpoint)
    return measured(server, { kind: 'upload', server: server.endpoint, ...size }, total / 1e6, total / GIB)
  })
}

async function download(contender: Contender, workspace: Workspace, bytes: number): Promise<Sample> {
  await workspace.warm(bytes + 2 * WARM_UP.bytes)
  return within(contender, workspace, async ({ endpoint, ...server }) => {
    const small = await load({ kind: 'upload', server: endpoint, bytes: WARM_UP.bytes, parallel: 1 })
    const large = await load({ kind: 'upload', server: endpoint, bytes, parallel: 1 })
    const job = { kind: 'download', server: endpoint } as const
    await load({ ...job, bytes: WARM_UP.bytes, location: small.locations[0] ?? '' })
    const asked = { ...job, bytes, location: large.locations[0] ?? '' }
    return measured({ endpoint, ...server }, asked, bytes / 1e6, bytes / GIB)
  })
}

async function chunks(
  contender: Contender,
  workspace: Workspace,
  bytes: number,
  chunkBytes: number,
  checksum: string | null,
): Promise<Sample> {
  await workspace.warm(bytes + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    await warmUp(server.endpoint)
    const job = { kind: 'chunks', server: server.endpoint, bytes, chunkBytes, checksum } as const
    return measured(server, job, bytes / 1e6, bytes / GIB)
  })
}

async function many(contender: Contender, workspace: Workspace, count: number): Promise<Sample> {
  const total = count * FOLDER.bytes
  await workspace.warm(total + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    await warmUp(server.endpoint)
    return measured(
      server,
      { kind: 'many', server: server.endpoint, ...FOLDER, count },
      total / 1e6,
      total / GIB,
    )
  })
}

async function small(contender: Contender, workspace: Workspace, count: number): Promise<Sample> {
  await workspace.warm(count * SMALL.bytes * 8)
  return within(contender, workspace, async (server) => {
    const idleRssBytes = await idleMemory(server)
    await warmUpSmall(server.endpoint)
    const job = { kind: 'many', server: server.endpoint, ...SMALL, count } as const
    return { ...(await measured(server, job, count, count / 1_000)), idleRssBytes }
  })
}

async function resume(contender: Contender, workspace: Workspace, bytes: number): Promise<Sample> {
  await workspace.warm(bytes + WARM_UP.bytes)
  const folder = await workspace.fresh()
  let server = await contender.start(folder)
  try {
    const job = { kind: 'first-half', server: server.endpoint, bytes } as const
    const [old = ''] = (await load(job)).locations
    await server.kill()
    server = await contender.start(folder)
    const location = new URL(new URL(old).pathname, server.endpoint.url).href
    const rest = { kind: 'second-half', server: server.endpoint, location, bytes } as const
    return await measured(server, rest, bytes / 2 / 1e6, bytes / 2 / GIB)
  } finally {
    await server.kill()
    await workspace.remove(folder)
  }
}

/** How fast others upload, and whether a final upload is joined meanwhile. The join has to last longer than they do. */
async function joining(
  contender: Contender,
  workspace: Workspace,
  partBytes: number,
  isJoining: boolean,
): Promise<Sample> {
  const bytes = 2 * partBytes
  await workspace.warm(2 * JOINED.parts * partBytes + bytes + 2 * WARM_UP.bytes)
  return within(contender, workspace, async (server) => {
    const { endpoint } = server
    await warmUp(endpoint)
    const parts = { kind: 'parts', server: endpoint, bytes: partBytes, parallel: JOINED.parts } as const
    const { locations } = await load(parts)
    let isJoined = false
    // Lading answers after 20 s at the latest. A server of ours is killed before that.
    const joined = (isJoining ? join(endpoint.url, locations) : Promise.resolve([])).finally(() => {
      isJoined = isJoining
    })
    const ignored = joined.catch(() => [])
    const each = { bytes: bytes / JOINED.uploads, parallel: JOINED.uploads }
    const sample = await measured(
      server,
      { kind: 'upload', server: endpoint, ...each },
      bytes / 1e6,
      bytes / GIB,
    )
    if (isJoined) throw new Error('the join was over before the uploads beside it were')
    if (endpoint.remove) await removeAll([...(await ignored), ...locations])
    return sample
  })
}

/** Asks for a final upload of these parts and resolves with its URL. */
async function join(url: string, parts: readonly string[]): Promise<readonly string[]> {
  const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Concat': `final;${parts.join(' ')}` }
  const answer = await fetch(url, { method: 'POST', headers })
  const location = answer.headers.get('location')
  return location === null ? [] : [new URL(location, url).href]
}

async function removeAll(locations: readonly string[]): Promise<void> {
  for (const location of locations)
    await fetch(location, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } })
}

function sizeOf(bytes: number): string {
  return bytes >= GIB ? `${bytes / GIB} GiB` : `${bytes / MIB} MiB`
}
