/**
 * `node dist/test/bench/s3.js [rounds] [divisor]`: uploads into a bucket of Ceph's gateway on this machine, for one node of
 * Lading, two nodes, and @tus/server with @tus/s3-store, which computes no digest. Sizes are divided by `divisor`.
 *
 * `node dist/test/bench/s3.js memory`: what ten uploads at once need above the idle process.
 *
 * Each measurement has a new gateway, whose store is in memory, and a new database. The rate is that of all files
 * together; gateway, database and client share the cores with the servers.
 */
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../helpers/postgres.js'
import { startRadosgw } from '../helpers/radosgw.js'
import { shippedNodeFlags } from '../helpers/shipped.js'
import { type Child, start } from './children.js'
import { median } from './figures.js'
import type { Endpoint } from './job.js'
import { load } from './load.js'
import { idleMemory, warmUp } from './measure.js'
import { usageOf } from './usage.js'
import { defaultFolder, Workspace } from './workspace.js'

const MIB = 2 ** 20
const START_WITHIN_MS = 30_000
const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))
const STOCK = fileURLToPath(new URL('stock-s3-server.js', import.meta.url))
const CONTENDERS = ['lading', 'two nodes', '@tus/s3-store'] as const
const SIZES = [
  { name: 'one', bytes: 1024 * MIB, files: 1 },
  { name: 'eight', bytes: 256 * MIB, files: 8 },
] as const
const MEMORY = { bytes: 200 * MIB, files: 10 }

const isMemory = process.argv[2] === 'memory'
const [rounds = 3, divisor = 1] = process.argv.slice(isMemory ? 3 : 2).map(Number)
const workspace = new Workspace(defaultFolder(8 * 1024 * MIB))

interface Place {
  readonly endpoint: string
  readonly bucket: string
  readonly database: string
}

/** Starts a server; its parts on their way are below `folder`. */
function launched(name: (typeof CONTENDERS)[number], place: Place, folder: string): Child {
  if (name === '@tus/s3-store')
    return start('env', [`TMPDIR=${folder}`, process.execPath, STOCK, place.bucket, place.endpoint])
  const storage = ['--storage', `s3://${place.bucket}/bench`, '--database', place.database]
  const flags = ['--port', '0', '--min-free', '0', '--data-dir', folder, '--s3-endpoint', place.endpoint]
  return start(process.execPath, [...shippedNodeFlags(), MAIN, ...flags, ...storage])
}

/** Starts the servers of a contender on a new gateway for `work`, and ends all of it. */
async function within<T>(
  name: (typeof CONTENDERS)[number],
  work: (servers: readonly { readonly pid: number; readonly endpoint: Endpoint }[]) => Promise<T>,
): Promise<T> {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(process.env, radosgw.env)
  const place = {
    endpoint: radosgw.endpoint,
    bucket: await radosgw.bucket(),
    database: await postgres.database(),
  }
  const children: Child[] = []
  try {
    for (let i = 0; i < (name === 'two nodes' ? 2 : 1); i++)
      children.push(launched(name, place, await workspace.fresh()))
    const servers = children.map(async (child) => {
      const url = await child.says(/http:\/\/\S+/, START_WITHIN_MS)
      const about = { method: 'tus', digestFolder: null, headers: [], remove: false } as const
      return { pid: child.pid, endpoint: { ...about, url, answersDigest: name !== '@tus/s3-store' } }
    })
    return await work(await Promise.all(servers))
  } finally {
    await Promise.all(children.map((child) => child.kill()))
    await Promise.all([radosgw.end(), postgres.kill()])
  }
}

/** MB a second of all files together, and the processor time of the servers for each GiB. */
function rateOf(name: (typeof CONTENDERS)[number], { bytes, files }: { bytes: number; files: number }) {
  const size = bytes / divisor
  return within(name, async (servers) => {
    for (const { endpoint } of servers) await warmUp(endpoint)
    const cpu = () => servers.reduce((sum, { pid }) => sum + (usageOf(pid)?.cpuSeconds ?? 0), 0)
    const before = cpu()
    // One file cannot be shared: it goes to the first node.
    const busy = servers.slice(0, files)
    const jobs = busy.map(({ endpoint: server }) =>
      load({ kind: 'upload', server, bytes: size, parallel: files / busy.length }),
    )
    const seconds = Math.max(...(await Promise.all(jobs)).map((job) => job.seconds))
    const total = size * files
    return { rate: total / 1e6 / seconds, cpuSeconds: (cpu() - before) / (total / 2 ** 30) }
  })
}

async function compare(): Promise<void> {
  for (const size of SIZES) {
    const samples = new Map(CONTENDERS.map((name) => [name, [] as { rate: number; cpuSeconds: number }[]]))
    for (let round = 0; round < rounds; round++)
      for (const name of round % 2 === 0 ? CONTENDERS : [...CONTENDERS].reverse()) {
        const sample = await rateOf(name, size)
        samples.get(name)?.push(sample)
        console.error(`${size.name} ${round + 1}/${rounds} ${name}: ${sample.rate.toFixed(0)} MB/s`)
      }
    const medians = [...samples].map(([name, all]) => {
      return {
        name,
        rate: median(all.map(({ rate }) => rate)),
        cpu: median(all.map((each) => each.cpuSeconds)),
      }
    })
    const theirs = medians.find(({ name }) => name === '@tus/s3-store')?.rate ?? Number.NaN
    for (const { name, rate, cpu } of medians)
      console.log(
        `| \`${size.name}\` | ${name} | ${rate.toFixed(0)} | ${(rate / theirs).toFixed(2)} | ${cpu.toFixed(1)} |`,
      )
  }
}

/** MB of the idle process, and above it at the peak of ten uploads. */
async function memory(): Promise<void> {
  for (const name of ['lading', '@tus/s3-store'] as const)
    await within(name, async ([server]) => {
      if (!server) return
      const { pid, endpoint } = server
      const idle = (await idleMemory({ pid, endpoint, isFresh: true, kill: async () => {} })) ?? 0
      await load({ kind: 'upload', server: endpoint, bytes: MEMORY.bytes, parallel: MEMORY.files })
      const peak = usageOf(pid)?.peakRssBytes ?? Number.NaN
      console.log(`| ${name} | ${(idle / 1e6).toFixed(0)} | ${((peak - idle) / 1e6).toFixed(0)} |`)
    })
}

if (isMemory) await memory()
else await compare()
