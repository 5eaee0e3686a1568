import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { Slots } from '../hooks/slots.js'
import { createSniffer, SNIFF_BYTES } from '../hooks/types/sniff.js'
import { type Config, defaultConfig } from './config.js'
import { connectionLimit } from './connection-limit.js'
import { currentBoot } from './files/boot.js'
import { CHECKSUM_BYTES } from './files/checksum.js'
import { FilesEngine } from './files/engine.js'
import { StoredFiles } from './files/stored-files.js'
import { Api } from './http/api.js'
import { Downloads } from './http/downloads.js'
import { type Gate, OPEN_GATE } from './http/gate.js'
import { Listener } from './http/listener.js'
import { Router } from './http/router.js'
import { Arena } from './intake/arena.js'
import { createGarbageKeeper } from './intake/garbage.js'
import { Intake } from './intake/intake.js'
import { createLog } from './log.js'
import type { EventListener } from './model/event.js'
import { expiresAtMs, firstByteWithinMs } from './model/next-step.js'
import { isUnfinished } from './model/record.js'
import { createId, isUploadId } from './model/upload-id.js'
import { QuietLog } from './quiet-log.js'
import { type FolderLock, lockFolder } from './records/sqlite/folder-lock.js'
import { openSqliteRecords } from './records/sqlite/sqlite-records.js'
import { FrontDoor } from './tus/front-door.js'
import { UploadLocks } from './tus/locker.js'
import { Protocol } from './tus/protocol.js'
import { allRecords } from './uploads/all-records.js'
import { Announcer } from './uploads/announcer.js'
import { createBackground } from './uploads/background.js'
import { findFinished } from './uploads/find-finished.js'
import { findUpload } from './uploads/find-upload.js'
import { LadingStore } from './uploads/store.js'
import type { StorageTools } from './uploads/tools.js'
import { Unfinished } from './uploads/unfinished.js'
import { readVersion } from './version.js'
import { openFilesLimit, processName, Vitals } from './vitals.js'
import { within } from './within.js'

export { type Config, ConfigError, defaultConfig } from './config.js'
export { FolderLockError } from './records/sqlite/folder-lock.js'

// 32 blocks of 256 KiB: 8 MiB for all uploads together. A block fits into a core's cache; more or larger
// ones were not faster (README, Decisions).
const ARENA = { blocks: 32, blockBytes: 256 * 1024 }
const BLOCKS_A_BODY = 16
const LOCK_LIMITS = { waitMs: 10_000, mostWaiting: 16 }
// For a slot, beside those that have one.
const MOST_WAITING = 64
// Some twenty seconds of small uploads at full speed while another process holds the database: 8,200 ordinary records.
const QUEUED_RECORD_BYTES = 7 * 1024 * 1024
// Together less than ten seconds.
const REQUESTS_END_WITHIN_MS = 4_000
const BACKGROUND_ENDS_WITHIN_MS = 1_000
const RECORDS_END_WITHIN_MS = 1_500
// A disk that hangs must not keep the process: what it has not taken counts as not stored.
const THREAD_ENDS_WITHIN_MS = 1_000
const REINDEX_ENDS_WITHIN_MS = 60_000
// Of lines that say the same within seconds, so many are written; the others are counted. Faults are worth more lines.
const REFUSALS_IN_FULL = 1
const FAULTS_IN_FULL = 100

/** A running server. */
export interface App {
  /** Listens and resolves with the creation URL. Rejects with the system's error. */
  listen(): Promise<{ url: string; port: number }>
  /** Ends what runs at a block, keeps its offset, drains the queue; resolves within 10 s. A second call waits too. */
  close(): Promise<void>
  /** For what no part of the server caught: logs it, then closes as `close()` does. */
  fail(error: unknown): Promise<void>
}

/**
 * Builds a server with everything it needs; nothing listens yet. Settings that are left out have their
 * defaults. Rejects with ConfigError, with FolderLockError while another server has the data folder, or with
 * the system's error where the folder cannot be made.
 */
export async function createApp(settings: Partial<Config> = {}, gate: Gate = OPEN_GATE): Promise<App> {
  const config = defaultConfig(settings)
  const connections = connectionLimit(config, openFilesLimit())
  await mkdir(join(config.dataDir, 'uploads'), { recursive: true, mode: 0o750 })
  const folder = await lockFolder(config.dataDir, processName())
  try {
    return await build({ ...config, connections }, folder, gate)
  } catch (error) {
    folder.release()
    throw error
  }
}

async function build(config: Config & { connections: number }, folder: FolderLock, gate: Gate): Promise<App> {
  const { mayAccess } = gate
  // Dates for what is kept and for what is compared with files; a clock that nobody sets for how long something takes.
  const now = Date.now
  const monotonic = () => performance.now()
  const startedAt = monotonic()
  const log = await createLog(config)
  const refusals = new QuietLog(log, { inFull: REFUSALS_IN_FULL })
  const faults = new QuietLog(log, { inFull: FAULTS_IN_FULL })
  const { dataDir } = config
  const arena = new Arena(ARENA)
  const { minFreeBytes } = config
  const engine = await FilesEngine.start({ dataDir, arena, minFreeBytes, now, monotonic })
  const records = openSqliteRecords({
    databasePath: join(dataDir, 'lading.db'),
    queueBytes: QUEUED_RECORD_BYTES,
    log,
    onNeedsReindex: () => housekeeping.reindex(),
  })

  const locks = new UploadLocks(LOCK_LIMITS, (id, { principal }) => store.mayInterrupt(id, principal))
  const unfinished = new Unfinished(config.maxUnfinished)
  const listeners: EventListener[] = [
    ({ record }) => records.put(record),
    ({ record: { id, state } }) => {
      if (!isUnfinished(state)) unfinished.delete(id)
      else if (!unfinished.has(id)) unfinished.set(id, now() + firstByteWithinMs(config))
    },
  ]
  const announcer = new Announcer(listeners, { now, log: faults })
  const tools: StorageTools = {
    ...{ engine, log: faults, now, monotonic },
    sniff: createSniffer(config.accept),
    sniffBytes: SNIFF_BYTES,
    view: (index, bytes) => arena.view(index, bytes),
    row: (id) => records.get(id),
    announce: (upload, kind, end) => announcer.announce(upload, kind, end),
    unfinished,
    underLock: (id, work) => locks.waitWith(id, work),
    isReceiving: () => slots.taken > 0,
    isHeldByRequest: (id) => locks.isHeldByRequest(id),
    isHeld: (id) => locks.isHeld(id),
    mayAccess,
    durability: config.durability,
    expireAfterMs: config.expireAfterMs,
    keepPartialsMs: config.keepPartialsMs,
    maxSizeBytes: config.maxSizeBytes,
  }
  const store = new LadingStore(tools, (id) => locks.holder(id))
  const protocol = new Protocol({ datastore: store, locks, maxSizeBytes: config.maxSizeBytes })
  const slots = new Slots({ limit: config.slots, waitMs: config.slotWaitMs, mostWaiting: MOST_WAITING })
  const housekeeping = createBackground({
    ...{ tools, store, unfinished, records, locks },
    indexIsWhole: (sinceMs) => sinceMs > records.wholeSinceMs,
  })

  const limits = {
    blocks: BLOCKS_A_BODY,
    idleTimeoutMs: config.idleTimeoutMs,
    minRateBytesPerMinute: config.minRateBytesPerMinute,
  }
  const collected = createGarbageKeeper()
  const frontDoor = new FrontDoor({
    ...config,
    ...{ slots, protocol, log, refusals, monotonic, extensions: store.extensions, isUploadId },
    expiresAtMs: (upload) => expiresAtMs(upload, config),
    digestBytes: CHECKSUM_BYTES,
    interrupt: (request) => locks.interrupt(request.id, request),
    makeBody: (request: IncomingMessage, begins) =>
      new Intake(request, {
        ...{ arena, limits, monotonic, collected, begins },
        bodyBytes:
          request.headers['content-length'] === undefined ? null : Number(request.headers['content-length']),
      }),
    createId: () => createId(new Date(now()), randomBytes(16).toString('hex')),
  })
  const downloads = new Downloads({
    log: refusals,
    limit: config.downloads,
    idleTimeoutMs: config.idleTimeoutMs,
    find: (id, principal) => findFinished(id, { engine, isThere: (upload) => mayAccess(principal, upload) }),
    read: (id, range) => engine.read(id, range),
  })
  const vitals = new Vitals()
  const version = readVersion()
  const api = new Api({
    log: refusals,
    findUpload: (id, principal) =>
      findUpload(id, principal, {
        ...{ uploads: store.uploads, row: tools.row, mayAccess, engine, monotonic, log: refusals },
      }),
    status: () => ({
      version,
      uptimeSeconds: Math.round((monotonic() - startedAt) / 1000),
      connections: { open: connections.open, limit: connections.limit },
      faults: { requests: connections.faults },
      slots: { taken: slots.taken, limit: slots.limit, waiting: slots.waiting },
      downloads: { taken: downloads.taken, limit: downloads.limit },
      arena: { blocks: arena.blocks, free: arena.free, blockBytes: arena.blockBytes },
      uploads: { unfinished: unfinished.size, limit: unfinished.limit },
      records: { queued: records.stats.queued, lagMs: records.stats.lagMs },
      eventLoop: vitals.eventLoop(),
      memory: vitals.memory(),
      disk: engine.space,
    }),
    notReady: async () => {
      if (closed) return 'the server is shutting down'
      return (await engine.isFull(0, 1)) ? 'the disk is full' : undefined
    },
  })
  const { corsOrigins } = config
  const router = new Router({ ...config, ...gate, isUploadId, protocol: frontDoor, downloads, api })
  const anyOrigin = corsOrigins.includes('*') ? { 'Access-Control-Allow-Origin': '*' } : {}
  const listener = new Listener((exchange) => router.serve(exchange), {
    headers: { 'Tus-Resumable': '1.0.0', ...anyOrigin },
    limit: config.connections,
    received: collected,
    keepAliveMs: config.keepAliveMs,
    log: faults,
  })
  const { connections } = listener

  let closed: Promise<void> | undefined

  async function end(): Promise<void> {
    listener.refuseNew()
    housekeeping.stop()
    frontDoor.close()
    await listener.close(REQUESTS_END_WITHIN_MS)
    const background = Promise.all([housekeeping.close(), store.uploads.settled()])
    // Closing the records also ends what of the background work waits for them.
    const recorded = within(
      BACKGROUND_ENDS_WITHIN_MS,
      background.then(() => {}),
    ).then(() => records.close(RECORDS_END_WITHIN_MS))
    await recorded
    await within(THREAD_ENDS_WITHIN_MS, engine.end())
    vitals.close()
    refusals.flush()
    faults.flush()
    await within(THREAD_ENDS_WITHIN_MS, new Promise<void>((resolve) => log.flush(() => resolve())))
  }

  return {
    async listen() {
      const { port, address, family } = await listener.listen(config.host, config.port)
      if (!closed) housekeeping.start()
      const host = family === 'IPv6' ? `[${address}]` : address
      return { port, url: `http://${host}:${port}${config.basePath}` }
    },
    close,
    fail: (error) => {
      log.fatal({ err: error }, 'nothing caught this; the server ends')
      return close()
    },
  }

  function close(): Promise<void> {
    closed ??= end().finally(() => folder.release())
    return closed
  }
}

/**
 * Builds the index anew from the sidecars; `lading reindex` calls it, also beside a running server.
 * Rejects with RecordsError where the database cannot be written.
 */
export async function reindex(config: Config): Promise<{ restored: number; removed: number }> {
  const { dataDir } = config
  const log = await createLog(config)
  const stored = new StoredFiles(dataDir, currentBoot(Date.now()))
  const records = openSqliteRecords({
    databasePath: join(dataDir, 'lading.db'),
    queueBytes: QUEUED_RECORD_BYTES,
    log,
  })
  try {
    await records.ready
    return await records.reindex(allRecords(stored), ({ id }) => stored.has(id))
  } finally {
    await records.close(REINDEX_ENDS_WITHIN_MS)
  }
}
