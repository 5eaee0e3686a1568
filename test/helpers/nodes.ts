import { join } from 'node:path'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import { inBucket } from './bucket-stored.js'
import { idle } from './health.js'
import type { Postgres } from './postgres.js'
import type { Radosgw } from './radosgw.js'
import { RoundRobin } from './round-robin.js'
import { eventually, startServer, type TestServer, temporaryFolder } from './server.js'
import type { Stored } from './stored.js'

const WITHIN_MS = 60_000
const PREFIX = 'some/where'

// Each server has its listener.
process.setMaxListeners(200)

/** The servers that nodes share. */
export interface Shared {
  readonly radosgw: Radosgw
  readonly postgres: Postgres
}

interface NodesOptions {
  /** By default two, or what the variable NODES says: with one a fault is known that has nothing to do with the other. */
  readonly count?: number
  readonly flags?: readonly string[]
  /** Each request goes to another node; without it each connection. */
  readonly eachRequest?: boolean
  /** Another address of the gateway. */
  readonly endpoint?: string
}

/** Servers in processes of their own, each with a data folder of its own, on one bucket and one database. */
export class Nodes {
  /** What runs now. */
  readonly all: TestServer[] = []
  readonly bucket: string
  /** As `--storage` names it. */
  readonly storage: string
  /** A pool of the test's own on their database. */
  readonly sql: Sql
  readonly stored: Stored
  readonly proxy: RoundRobin
  readonly #flags: readonly string[]

  private constructor(
    of: Pick<Nodes, 'bucket' | 'storage' | 'sql' | 'stored' | 'proxy'> & { flags: readonly string[] },
  ) {
    this.bucket = of.bucket
    this.storage = of.storage
    this.sql = of.sql
    this.stored = of.stored
    this.proxy = of.proxy
    this.#flags = of.flags
  }

  /** Starts them, on a new bucket and a new database. */
  static async start({ radosgw, postgres }: Shared, options: NodesOptions = {}): Promise<Nodes> {
    const { count = Number(process.env.NODES ?? 2), flags = [], eachRequest = false } = options
    // The SDK's usual place for credentials; the nodes have it from here.
    Object.assign(process.env, radosgw.env)
    const bucket = await radosgw.bucket()
    const database = await postgres.database()
    const storage = `s3://${bucket}/${PREFIX}`
    const sql = await openSql(database)
    const dataDirs = Array.from({ length: count }, () => join(temporaryFolder(), 'data'))
    const proxy = await RoundRobin.open([], eachRequest)
    const place = [
      '--storage',
      storage,
      '--database',
      database,
      '--s3-endpoint',
      options.endpoint ?? radosgw.endpoint,
    ]
    const nodes = new Nodes({
      ...{ bucket, storage, sql, proxy },
      stored: inBucket({ s3: radosgw.s3, storage, sql, dataDirs }),
      flags: [...place, '--s3-part-size', '5MiB', ...flags],
    })
    for (const dataDir of dataDirs) nodes.all.push(await startServer(nodes.#flags, dataDir))
    nodes.#route()
    return nodes
  }

  /** All of them as clients see them: a server at the proxy's address. */
  get front(): TestServer {
    const [first] = this.all
    if (!first) throw new Error('no node runs')
    const { port } = this.proxy
    const origin = `http://127.0.0.1:${port}`
    return { ...first, port, origin, url: `${origin}${new URL(first.url).pathname}`, log: () => this.log() }
  }

  /** The node of an index. */
  node(index: number): TestServer {
    const node = this.all[index]
    if (!node) throw new Error(`there is no node ${index}`)
    return node
  }

  /** What all of them logged. */
  log(): string {
    return this.all.map((node) => node.log()).join('')
  }

  /** Ends a node with kill -9. */
  async kill(index: number): Promise<void> {
    await this.node(index).stop('SIGKILL')
  }

  /** Starts a node again that has ended, with its data folder. */
  async restart(index: number): Promise<void> {
    this.all[index] = await startServer(this.#flags, this.node(index).dataDir)
    this.#route()
  }

  /** Restarts a node, which looks for what crashes left in the bucket. */
  async tidy(): Promise<void> {
    await this.node(0).stop()
    await this.restart(0)
  }

  /** Resolves when no node has a running request. */
  async idle(): Promise<void> {
    await Promise.all(this.all.map(idle))
  }

  /** Resolves when the bucket has the objects of these uploads, and nothing else. Rejects with what it has. */
  async onlyHas(...paths: readonly string[]): Promise<void> {
    const wanted = paths.map((path) => path.replace(/.*\//, '')).sort()
    let found: readonly string[] = []
    const look = async () => {
      found = await this.stored.names()
      return (
        found
          .map((name) => name.replace(/.*\//, ''))
          .sort()
          .join() === wanted.join() || undefined
      )
    }
    await eventually(WITHIN_MS, `a bucket with ${wanted.length} objects`, look).catch((error: Error) => {
      throw new Error(`${error.message}; it has ${found.join(', ')}, not ${wanted.join(', ')}`)
    })
  }

  /** Ends all. */
  async end(): Promise<void> {
    this.proxy.close()
    await Promise.all(this.all.map((node) => node.stop('SIGKILL')))
    await this.sql.end()
  }

  #route(): void {
    this.proxy.ports = this.all.map(({ port }) => port)
  }
}
