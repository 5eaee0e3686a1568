import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { DayBytes } from '../hooks/day-bytes.js'
import { Slots } from '../hooks/slots.js'
import { createSniffer } from '../hooks/types/sniff.js'
import { type Config, defaultConfig } from './config.js'
import { connectionLimit } from './connection-limit.js'
import { currentBoot } from './files/boot.js'
import { CHECKSUM_BYTES } from './files/checksum.js'
import { FilesEngine } from './files/engine.js'
import { StoredFiles } from './files/stored-files.js'
import { Api } from './http/api.js'
import { createAccess } from './http/auth/access.js'
import { Downloads } from './http/downloads.js'
import type { Gate } from './http/gate.js'
import { LANE_FROM_BYTES, lendTo } from './http/lane.js'
import { laneWorks } from './http/lane-test.js'
import { Listener } from './http/listener.js'
import { Router } from './http/router.js'
import { Arena } from './intake/arena.js'
import { createGarbageKeeper } from './intake/garbage.js'
import { Intake } from './intake/intake.js'
import type { IntakeTools } from './intake/intake-tools.js'
import { createLog } from './log.js'
import { expiresAtMs, firstByteWithinMs } from './model/next-step.js'
import type { Principal } from './model/principal.js'
import { isUnfinished, type UploadRecord } from './model/record.js'
import { SNIFF_BYTES } from './model/sniff-bytes.js'
import { createId, isUploadId } from './model/upload-id.js'
import { QuietLog } from './quiet-log.js'
import { type FolderLock, lockFolder } from './records/sqlite/folder-lock.js'
import { openSqliteRecords } from './records/sqlite/sqlite-records.js'
import { shutdown } from './shutdown.js'
import { createStatus } from './status.js'
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
import { openFilesLimit, processName, Vitals } from './vitals.js'

export { type Config, ConfigError, defaultConfig } from './config.js'
export { FolderLockError } from './records/sqlite/folder-lock.js'

// 32 blocks of 256 KiB: 8 MiB for all uploads together. A block fits into a core's cache; more or larger
// ones were not faster (server/intake/README.md).
const ARENA = { blocks: 32, blockBytes: 256 * 1024 }
const BLOCKS_A_BODY = 16
const PACE_CHECKED_EVERY_MS = 250
const LOCK_LIMITS = { waitMs: 10_000, mostWaiting: 16 }
// For a slot, beside those that have one.
const MOST_WAITING = 64
// Some twenty seconds of small uploads at full speed while another process holds the database: 8,200 ordinary records.
const QUEUED_RECORD_BYTES = 7 * 1024 * 1024
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
export async function createApp(settings: Partial<Config> = {}, gate?: Gate): Promise<App> {
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

type Settings = Config & { readonly connections: number }

/** Builds the parts of a server and connects them. */
async function build(config: Settings, folder: FolderLock, givenGate: Gate | undefined): Promise<App> {
  const base = await createBase(config)
  const { faults, refusals, log, now, monotonic } = base
  const access = await createAccess(config, { log: refusals, faults, now, monotonic })
  const gate = givenGate ?? access.gate
  const arena = new Arena(ARENA)
  const engine = await FilesEngine.start({ ...config, arena, log: faults, now, monotonic })
  const records = openRecords(config, log, () => background.reindex())
  const slots = new Slots({ ...slotLimits(config), mostWaiting: MOST_WAITING })
  const locks = new UploadLocks(LOCK_LIMITS, (id, { principal }) => store.mayInterrupt(id, principal))
  const unfinished = new Unfinished(config.maxUnfinished)
  const announcer = new Announcer(
    [({ record }) => records.put(record), ({ record }) => noteUnfinished(unfinished, record, config, now())],
    { now, log: faults },
  )
  const tools: StorageTools = {
    ...{
      ...config,
      ...access.grantTools,
      ...{ engine, now, monotonic, unfinished, sniffBytes: SNIFF_BYTES },
    },
    ...{ log: faults, mayAccess: gate.mayAccess },
    sniff: createSniffer(config.accept),
    view: (index, bytes) => arena.view(index, bytes),
    row: (id) => records.get(id),
    announce: (upload, kind, end) => {
      announcer.announce(upload, kind, end)
      if (end) access.uploadEnded(upload)
    },
    underLock: (id, work) => locks.waitWith(id, work),
    isReceiving: () => slots.taken > 0,
    isHeldByRequest: (id) => locks.isHeldByRequest(id),
    isHeld: (id) => locks.isHeld(id),
  }
  const store = new LadingStore(tools, (id) => locks.holder(id))
  const { uploads } = store
  const background = createBackground({
    ...{ tools, store, unfinished, records, locks },
    indexIsWhole: (sinceMs) => sinceMs > records.wholeSinceMs,
  })
  const collected = createGarbageKeeper()
  const frontDoor = new FrontDoor({
    dayBytes: new DayBytes(config.maxBytesPerOwnerPerDay, now),
    ...{ ...config, slots, log, refusals, monotonic, extensions: store.extensions, isUploadId },
    protocol: new Protocol({ datastore: store, locks, maxSizeBytes: config.maxSizeBytes }),
    expiresAtMs: (upload) => expiresAtMs(upload, config),
    digestBytes: CHECKSUM_BYTES,
    interrupt: (request) => locks.interrupt(request.id, request),
    makeBody: createBodies(config, { arena, monotonic }),
    createId: () => createId(new Date(now()), randomUUID().replaceAll('-', '')),
  })
  const lane = config.lane && (await laneWorks())
  if (config.lane && !lane)
    log.warn('the lane failed its self-test on this Node: long bodies take the usual way')
  const downloads = new Downloads({
    ...{ log: refusals, limit: config.downloads, idleTimeoutMs: config.idleTimeoutMs },
    find: (id, principal) =>
      findFinished(id, { engine, isThere: (upload) => gate.mayAccess(principal, upload) }),
    read: (id, range) => engine.read(id, range),
  })
  const vitals = new Vitals()
  const find = (id: string, principal: Principal) =>
    findUpload(id, principal, { ...tools, uploads, log: refusals })
  const api = new Api({
    log: refusals,
    findUpload: find,
    status: createStatus(
      { arena, downloads, engine, lane, records, slots, unfinished, vitals, monotonic },
      () => listener.connections,
    ),
    notReady: async () => {
      if (closed) return 'the server is shutting down'
      return (await engine.isFull(0, 1)) ? 'the disk is full' : undefined
    },
  })
  const router = new Router({
    ...{ ...config, isUploadId, protocol: frontDoor, downloads, api, issuer: access.issuerFor(find) },
    identify: (request, asked) => gate.identify(request, asked),
  })
  const anyOrigin = config.corsOrigins.includes('*') ? { 'Access-Control-Allow-Origin': '*' } : {}
  const listener = new Listener((exchange) => router.serve(exchange), {
    headers: { ...frontDoor.headers, ...anyOrigin },
    limit: config.connections,
    received: collected,
    laneFromBytes: lane ? LANE_FROM_BYTES : Infinity,
    keepAliveMs: config.keepAliveMs,
    log: faults,
  })

  let closed: Promise<void> | undefined
  const ending = { listener, background, frontDoor, uploads, records, engine, vitals, log }
  const close = () =>
    (closed ??= shutdown({ ...ending, quietLogs: [refusals, faults] }).finally(() => folder.release()))
  return {
    async listen() {
      const { port, address, family } = await listener.listen(config.host, config.port)
      if (!closed) background.start()
      const host = family === 'IPv6' ? `[${address}]` : address
      return { port, url: `http://${host}:${port}${config.basePath}` }
    },
    close,
    fail: (error) => {
      log.fatal({ err: error }, 'uncaught error; the server shuts down')
      return close()
    },
  }
}

function slotLimits({ slots, slotsPerOwner, slotWaitMs }: Config) {
  return { limit: slots, limitPerOwner: slotsPerOwner === 'auto' ? slots : slotsPerOwner, waitMs: slotWaitMs }
}

/** The clocks and the logs. */
async function createBase(config: Settings) {
  const log = await createLog(config)
  return {
    log,
    refusals: new QuietLog(log, { inFull: REFUSALS_IN_FULL }),
    faults: new QuietLog(log, { inFull: FAULTS_IN_FULL }),
    // For dates: of what is kept, and of what is compared with files.
    now: Date.now,
    // For how long something takes: nobody sets this clock.
    monotonic: () => performance.now(),
  }
}

function openRecords(
  { dataDir }: Config,
  log: Awaited<ReturnType<typeof createLog>>,
  onNeedsReindex?: () => void,
) {
  return openSqliteRecords({
    databasePath: join(dataDir, 'lading.db'),
    queueBytes: QUEUED_RECORD_BYTES,
    log,
    ...(onNeedsReindex ? { onNeedsReindex } : {}),
  })
}

/** Keeps the table of unfinished uploads as the events say. */
function noteUnfinished(
  unfinished: Unfinished,
  { id, state }: UploadRecord,
  terms: Config,
  nowMs: number,
): void {
  if (!isUnfinished(state)) unfinished.delete(id)
  else if (!unfinished.has(id)) unfinished.set(id, nowMs + firstByteWithinMs(terms))
}

/** Makes the body of a request: its socket, read into blocks. */
function createBodies(config: Config, tools: Pick<IntakeTools, 'arena' | 'monotonic'>) {
  const { idleTimeoutMs, minRateBytesPerMinute } = config
  const limits = {
    blocks: BLOCKS_A_BODY,
    tickMs: PACE_CHECKED_EVERY_MS,
    idleTimeoutMs,
    minRateBytesPerMinute,
  }
  return (request: IncomingMessage, begins: () => void): Intake => {
    const length = request.headers['content-length']
    const bodyBytes = length === undefined ? null : Number(length)
    const intake = new Intake(request, { ...tools, limits, begins, bodyBytes })
    lendTo(intake, request)
    return intake
  }
}

/**
 * Rebuilds the index from the sidecars; `lading reindex` calls it, also beside a running server.
 * Rejects with RecordsError where the database cannot be written.
 */
export async function reindex(config: Config): Promise<{ restored: number; removed: number }> {
  const stored = new StoredFiles(config.dataDir, currentBoot(Date.now()))
  const records = openRecords(config, await createLog(config))
  try {
    await records.ready
    return await records.reindex(allRecords(stored), ({ id }) => stored.has(id))
  } finally {
    await records.close(REINDEX_ENDS_WITHIN_MS)
  }
}
