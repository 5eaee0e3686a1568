import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from './cluster/cluster.js'
import type { SharedUploadsParts } from './cluster/shared-uploads.js'
import type { Turns } from './cluster/turns.js'
import { type Config, ConfigError } from './config.js'
import type { ArenaMemory } from './files/arena-view.js'
import { currentBoot } from './files/boot.js'
import { Disk } from './files/disk.js'
import { FilesEngine } from './files/engine.js'
import { StoredFiles } from './files/stored-files.js'
import { threadCount } from './files/threads.js'
import { Writer } from './files/writer.js'
import type { ClusterLocks, Turn } from './model/cluster.js'
import type { Engine } from './model/engine.js'
import type { Log } from './model/log.js'
import { s3PlaceOf } from './model/s3-place.js'
import { within } from './within.js'

/** Within the time that a server has for the end of its storage. Other nodes need the rest: what this one holds is given back. */
const ENGINE_ENDS_WITHIN_MS = 600

interface StorageParts {
  readonly arena: ArenaMemory
  readonly log: Log
  /** Called with the milliseconds of each flush. */
  readonly flushed: (ms: number) => void
  readonly now: () => number
  readonly monotonic: () => number
  /** Names this node for people. */
  readonly name: string
  /** Does `work` under an upload's lock, where that is free. */
  readonly underLock: (id: string, work: () => Promise<void>) => Promise<void>
}

/** What a node needs that shares its uploads with others. */
export interface Sharing {
  /** The locks of all nodes; `uploads` are those that this node has in memory. */
  locks(uploads: SharedUploadsParts['uploads']): ClusterLocks
  /** For work that goes over all uploads. */
  readonly turns: Turns
}

/** The storage engine that the settings name, with what the server shows and asks of it. */
export interface Storage {
  readonly engine: Engine & {
    readonly space: { readonly freeBytes: number; readonly freeInodes: number | null }
    readonly backlogBytes: number
  }
  /** This node among all that serve the same uploads; null where the storage belongs to one server. */
  readonly cluster: Cluster | null
  /** Nobody but this server may change an upload now: the storage belongs to it, or it holds the lock of the upload. */
  readonly isOwn: (id: string) => boolean
  /** Does `work` unless another node does work of this name now; null where the storage belongs to one server. */
  readonly alone: ((name: string, work: (turn: Turn) => Promise<void>) => Promise<void>) | null
  /** How this node shares uploads with others; null where the storage belongs to one server. */
  readonly sharing: Sharing | null
  /** Resolves with why the storage cannot be used now; undefined where it can. */
  notReady(): Promise<string | undefined>
  /** Waits for what runs, and ends the engine. */
  end(): Promise<void>
}

/**
 * Opens the storage. Rejects with ConfigError where S3 or the database cannot be used as the settings say, and with the
 * system's error.
 */
export async function openStorage(config: Config, parts: StorageParts): Promise<Storage> {
  const place = s3PlaceOf(config.storage)
  if (place) return openS3(config, place, parts)
  const engine = await FilesEngine.start({ ...config, ...parts })
  const own = { cluster: null, sharing: null, alone: null, isOwn: () => true }
  return { engine, ...own, notReady: async () => undefined, end: () => engine.end() }
}

/** What is stored, to look at beside a running server. */
export interface Stored {
  readonly stored: Pick<Engine, 'list' | 'load' | 'has' | 'addressOf'>
  end(): Promise<void>
}

/** Opens what is stored where the settings say, and changes nothing of it. Rejects where the database cannot be asked. */
export async function lookAtStored(config: Config): Promise<Stored> {
  const place = s3PlaceOf(config.storage)
  if (!place) return { stored: new StoredFiles(config.dataDir, currentBoot(Date.now())), end: async () => {} }
  const { openSql } = await import('./postgres/pool.js')
  const { lookAtS3 } = await import('./s3/start.js')
  const sql = await openSql(config.database)
  const location = { place, sql, endpoint: config.s3Endpoint, region: config.s3Region }
  return { stored: await lookAtS3(location), end: () => sql.end() }
}

/** Loads the library of S3, and that of PostgreSQL. */
async function openS3(
  config: Config,
  place: NonNullable<ReturnType<typeof s3PlaceOf>>,
  { arena, log, flushed, now, monotonic, name, underLock }: StorageParts,
): Promise<Storage> {
  const { database, minFreeBytes, dataDir, storage } = config
  const { openSql } = await import('./postgres/pool.js')
  const { startS3 } = await import('./s3/start.js')
  const { SharedUploads } = await import('./cluster/shared-uploads.js')
  const { Turns } = await import('./cluster/turns.js')
  const sql = await openSql(database)
  const slots = config.clusterSlots === 'off' ? {} : { slots: config.clusterSlots }
  const cluster = await openCluster(database, { log, name, monotonic, ...slots })
  const end = async (): Promise<void> => {
    await cluster.close()
    await sql.end()
  }
  await cluster.joined().catch(async (error: unknown) => {
    await end()
    throw new ConfigError(`--database cannot be reached: ${messageOf(error)}`, { cause: error })
  })
  const disk = new Disk({ folder: dataDir, minFreeBytes, monotonic })
  const threads = threadCount(config.digestThreads, availableParallelism())
  const ended = (err: Error): void => log.error({ err }, 'a thread ended; the next task starts another')
  const writer = new Writer(threads, { arena, ended }, flushed)
  try {
    await disk.refresh()
    const { locks, tokens } = cluster
    const turns = new Turns(locks)
    const { engine, leftovers, check } = await startS3({
      ...{ place, sql, writer, disk, log, now, monotonic, underLock },
      tokenOf: (id) => tokens.of(id),
      isShared: true,
      unlessTaken: (work) => turns.unlessTaken('leftovers', work),
      endpoint: config.s3Endpoint,
      region: config.s3Region,
      partBytes: config.s3PartBytes,
      scratch: join(dataDir, 'scratch'),
    })
    leftovers.start()
    return {
      ...{ engine, cluster },
      isOwn: (id) => tokens.of(id) !== undefined,
      alone: (name, work) => turns.unlessTaken(name, work),
      sharing: {
        turns,
        locks: (uploads) => new SharedUploads({ locks, tokens, engine, uploads, log }),
      },
      notReady: async () => {
        if (!cluster.isMember) return 'the node has no lease in the database'
        return check().then(nothing, () => 'S3 or its database does not answer')
      },
      end: async () => {
        // It waits for S3, and holds nothing that another node needs.
        void leftovers.end()
        await within(ENGINE_ENDS_WITHIN_MS, engine.end()).finally(end)
      },
    }
  } catch (error) {
    await writer.close()
    await end()
    throw new ConfigError(`--storage ${storage} cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

/** Begins to take this node's lease. Loads the library of PostgreSQL. */
async function openCluster(
  database: string,
  parts: Pick<StorageParts, 'log' | 'name' | 'monotonic'> & { readonly slots?: number },
): Promise<Cluster> {
  const { Cluster } = await import('./cluster/cluster.js')
  const { openNotices } = await import('./postgres/notices.js')
  const { openSql } = await import('./postgres/pool.js')
  const [sql, shared] = [await openSql(database), await openSql(database)]
  return new Cluster({ ...parts, sql, shared, notices: await openNotices(database) })
}

function nothing(): undefined {}

/** One line. An error of our own says less than its cause. */
function messageOf(error: unknown): string {
  const said = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const text = said instanceof Error ? said.message || said.name : String(said)
  return text.replaceAll(/\s+/g, ' ')
}
