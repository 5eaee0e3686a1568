import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createHooks } from '../hooks/create-hooks.js'
import { HookModuleError } from '../hooks/module.js'
import { Slots } from '../hooks/slots.js'
import { createSniffer } from '../hooks/types/sniff.js'
import { createBase } from './base.js'
import { createApi, createDownloads, createEvents } from './beside-tus.js'
import { createBodies } from './bodies.js'
import { type Config, ConfigError, defaultConfig } from './config.js'
import { connectionLimit } from './connection-limit.js'
import { createLocks } from './create-locks.js'
import { CHECKSUM_BYTES } from './files/checksum.js'
import { flushFolder } from './files/flush-folder.js'
import { FolderFlushes } from './files/folder-flushes.js'
import { createFront, type Front, mayUseLane, type Settings } from './front.js'
import { createAccess } from './http/auth/access.js'
import { Embedded } from './http/embedded.js'
import type { Gate } from './http/gate.js'
import { Listener } from './http/listener.js'
import { loadPage } from './http/page.js'
import { Router } from './http/router.js'
import { Arena } from './intake/arena.js'
import { loadMetrics } from './metrics/load.js'
import { expiresAtMs, firstByteWithinMs } from './model/next-step.js'
import { SNIFF_BYTES } from './model/sniff-bytes.js'
import { chosenId, createId, isUploadId } from './model/upload-id.js'
import { createNodes } from './nodes.js'
import { createOwnerLimits } from './owner-limits.js'
import { createReadiness } from './readiness.js'
import { type FolderLock, lockFolder } from './records/sqlite/folder-lock.js'
import { openRecords, prepareRecords } from './reindex.js'
import { shutdown } from './shutdown.js'
import { slotLimits } from './slot-limits.js'
import { createStatus } from './status.js'
import { openStorage } from './storage.js'
import { loadTraces } from './traces/load.js'
import { FrontDoor } from './tus/front-door.js'
import { Protocol } from './tus/protocol.js'
import { RequestHooks } from './tus/request-hooks.js'
import { activeUploads } from './uploads/active-uploads.js'
import { Announcer } from './uploads/announcer.js'
import { createBackground } from './uploads/background.js'
import { finishedForHooks } from './uploads/find-finished.js'
import { findForHooks } from './uploads/find-for-hooks.js'
import { LadingStore } from './uploads/store.js'
import type { StorageTools } from './uploads/tools.js'
import { Unfinished } from './uploads/unfinished.js'
import { UploadHooks } from './uploads/upload-hooks.js'
import { readVersion } from './version.js'
import { openFilesLimit, processName, Vitals } from './vitals.js'

export { type Config, ConfigError, defaultConfig } from './config.js'
export { FolderLockError } from './records/sqlite/folder-lock.js'
export { reindex } from './reindex.js'

// 32 blocks of 256 KiB: 8 MiB for all uploads together. A block fits into a core's cache; more or larger
// ones were not faster (server/intake/README.md).
const ARENA = { blocks: 32, blockBytes: 256 * 1024 }
const LOCK_LIMITS = { waitMs: 10_000, mostWaiting: 16 }
// For a slot, beside those that have one.
const MOST_WAITING = 64

interface Closable {
  /** Ends what runs at a block, keeps its offset, drains the queue; resolves within 10 s. A second call waits too. */
  close(): Promise<void>
  /** For what no part of the server caught: logs it, then closes as `close()` does. */
  fail(error: unknown): Promise<void>
}

/** A running server. */
export interface App extends Closable {
  /** Listens and resolves with the creation URL. Rejects with the system's error. */
  listen(): Promise<{ url: string; port: number }>
}

/** A server without a port, for the requests of an application's own server. */
export interface EmbeddedApp extends Closable {
  /** Serves one request; resolves when its answer was taken, and never rejects. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
}

/**
 * Builds a server with everything it needs; nothing listens yet. Settings that are left out have their
 * defaults. Rejects with ConfigError, with FolderLockError while another server has the data folder, or with
 * the system's error where the folder cannot be made.
 */
export async function createApp(settings: Partial<Config> = {}, gate?: Gate): Promise<App> {
  const config = defaultConfig(settings)
  const { front, start, close, fail } = await open(config, gate, Listener)
  return {
    async listen() {
      const { port, address, family } = await front.listen(config.host, config.port)
      start()
      const host = family === 'IPv6' ? `[${address}]` : address
      return { port, url: `http://${host}:${port}${config.basePath}` }
    },
    ...{ close, fail },
  }
}

/** Builds and starts a server that does not listen (server/operation/README.md). Rejects as `createApp` does. */
export async function embed(settings: Partial<Config> = {}, gate?: Gate): Promise<EmbeddedApp> {
  // A lane needs a socket of our own.
  const config = { ...defaultConfig(settings), lane: false }
  const { front, start, close, fail } = await open(config, gate, Embedded)
  start()
  return { handle: front.handle, close, fail }
}

async function open<F extends Listener | Embedded>(config: Config, gate: Gate | undefined, front: Front<F>) {
  const connections = connectionLimit(config, openFilesLimit())
  await mkdir(join(config.dataDir, 'uploads'), { recursive: true, mode: 0o750 })
  const folder = await lockFolder(config.dataDir, processName())
  try {
    await prepareRecords(config)
    return await build({ ...config, connections }, { folder, givenGate: gate, Front: front })
  } catch (error) {
    folder.release()
    throw error
  }
}

/** Builds the parts of a server and connects them. */
async function build<F extends Listener | Embedded>(
  config: Settings,
  { folder, givenGate, Front }: { folder: FolderLock; givenGate: Gate | undefined; Front: Front<F> },
) {
  const base = await createBase(config)
  const { faults, refusals, log, now, monotonic } = base
  const access = await createAccess(config, { ...base, log: refusals, sql: () => storage.cluster?.sql })
  const gate = givenGate ?? access.gate
  const arena = new Arena(ARENA)
  const metrics = await loadMetrics(config)
  const traces = await loadTraces({ version: readVersion(), log: faults })
  const storage = await openStorage(config, {
    ...{ arena, log: faults, now, monotonic, name: processName() },
    flushed: (ms) => metrics?.flushed(ms),
    underLock: (id, work) => locks.tryWith(id, work),
  })
  const { engine, sharing } = storage
  const folders = new FolderFlushes(flushFolder)
  const hooks = await createHooks(config, {
    ...{ faults, refusals, now, traces, cluster: storage.cluster },
    flushFolder: (path) => folders.flush(path),
    called: (event, outcome, ms) => metrics?.hookCalled(event, outcome, ms),
    finished: (id) => finishedForHooks(id, engine),
    stopUpload: (id) => {
      store.removals
        .stop(id)
        .catch((error: unknown) => faults.error({ err: error, id }, 'an upload could not be stopped'))
    },
  }).catch(asConfigError)
  const records = await openRecords(config, log, {
    ...{ onNeedsReindex: () => background.reindex(), written: (ms: number) => metrics?.recordsWritten(ms) },
    tokenOf: (id) => storage.cluster?.tokens.of(id),
  })
  const slots = new Slots({ ...slotLimits(config), mostWaiting: MOST_WAITING })
  const locks = createLocks(LOCK_LIMITS, sharing, () => store, hooks?.deliveries)
  const unfinished = new Unfinished(config.maxUnfinished)
  const announcer = new Announcer(
    [
      ({ record }) => records.put(record),
      ({ record }) => unfinished.note(record, now() + firstByteWithinMs(config)),
      ...[hooks, metrics, traces].flatMap((each) => (each ? [each.listener] : [])),
      (event) => events.listener(event),
      (event) => nodes.note(event),
    ],
    { now, log: faults },
  )
  const tools: StorageTools = {
    ...{
      ...config,
      ...access.grantTools,
      ...{ engine, now, monotonic, unfinished, sniffBytes: SNIFF_BYTES, isOwn: storage.isOwn },
    },
    ...{ log: faults, traces, mayAccess: gate.mayAccess },
    hooks: hooks && new UploadHooks({ ...hooks, now, monotonic }),
    received: (bytes) => metrics?.received(bytes),
    sniff: createSniffer(config.accept),
    view: (index, bytes) => arena.view(index, bytes),
    row: (id) => records.get(id),
    announce: (upload, kind, end) => {
      announcer.announce(upload, kind, end)
      if (end) access.uploadEnded(upload)
    },
    underLock: (id, work) => locks.waitWith(id, work),
    ...{ isReceiving: () => slots.taken > 0, alone: storage.alone },
    isHeldByRequest: (id) => locks.isHeldByRequest(id),
    isHeld: (id) => locks.isHeld(id),
  }
  const store = new LadingStore(tools, (id) => locks.holder(id))
  const { uploads } = store
  const limits = await createOwnerLimits(config, { ...base, cluster: storage.cluster, slots })
  const nodes = await createNodes({
    ...{ ...config, ...limits, cluster: storage.cluster, uploads, unfinished, monotonic, log: faults },
    take: (kind, state) => events.take(kind, state),
    reset: () => events.reset(),
  })
  const { live } = nodes
  const events = createEvents({ ...{ config, live, now, monotonic, log: refusals } })
  const background = createBackground({
    ...{ tools, store, unfinished, records, locks, turns: sharing?.turns ?? null },
    indexIsWhole: (sinceMs) => sinceMs > records.wholeSinceMs,
  })
  const requestHooks =
    hooks &&
    new RequestHooks({
      decider: hooks.decider,
      find: (id, principal) => findForHooks(id, principal, { ...tools, uploads }),
      addressOf: (id) => engine.addressOf(id),
      exists: (id) => engine.has(id),
      chosenId: (name) => chosenId(new Date(now()), name),
      now,
    })
  const frontDoor = new FrontDoor({
    dayBytes: limits.dayBytes,
    ...{ ...config, slots: nodes.slots, log, refusals, monotonic, isUploadId },
    extensions: store.extensions,
    protocol: new Protocol({ datastore: store, locks, maxSizeBytes: config.maxSizeBytes }),
    expiresAtMs: (upload) => expiresAtMs(upload, config),
    digestBytes: CHECKSUM_BYTES,
    hooks: requestHooks,
    interrupt: (request) => locks.interrupt(request.id, request),
    mayInterrupt: ({ id, principal }) => store.mayInterrupt(id, principal),
    makeBody: createBodies(config, { arena, monotonic }),
    createId: () => createId(new Date(now()), randomUUID().replaceAll('-', ''), config.idForm),
  })
  const lane = await mayUseLane(config, log)
  const downloads = createDownloads({ config, engine, gate, log: refusals })
  const vitals = new Vitals()
  const deliveries = hooks?.deliveries ?? null
  const shown = { arena, deliveries, downloads, engine, events, lane, records, slots, unfinished, vitals }
  const api = createApi({
    ...{ config, deliveries, events, live, metrics, records, store, tools, log: refusals },
    ...{ issuerFor: access.issuerFor, hooks: requestHooks },
    status: createStatus(
      { ...shown, config, monotonic, nodes, active: () => activeUploads(uploads, monotonic()) },
      () => front.connections,
    ),
    notReady: createReadiness({ config, storage, records, monotonic, isClosed: () => closed !== undefined }),
  })
  const router = new Router({
    ...{ ...config, isUploadId, downloads, api },
    identify: (request, asked) => gate.identify(request, asked),
    hooks: requestHooks,
    protocol: frontDoor,
    page: await loadPage({ ...config, isGrant: access.isGrant }, log),
  })
  const front = createFront(Front, { config, router, frontDoor, metrics, traces, lane, log: faults })
  const { minFreeBytes } = config
  metrics?.watch({ ...shown, nodes, minFreeBytes, version: readVersion(), connections: front.connections })

  let closed: Promise<void> | undefined
  const ending = { front, events, background, frontDoor, uploads, hooks, records, storage, vitals, log }
  const close = (): Promise<void> => {
    closed ??= shutdown({ ...ending, nodes, quietLogs: [refusals, faults] }).finally(() => folder.release())
    return closed
  }
  return {
    front,
    start: () => {
      if (!closed) background.start()
    },
    close,
    fail: (error: unknown) => {
      log.fatal({ err: error }, 'uncaught error; the server shuts down')
      return close()
    },
  }
}

/** For what an operator can correct. */
function asConfigError(error: unknown): never {
  throw error instanceof HookModuleError
    ? new ConfigError(`--hooks ${error.message}`, { cause: error })
    : error
}
