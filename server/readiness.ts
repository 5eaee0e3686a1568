import type { Config } from './config.js'
import type { RecordStore } from './model/record-store.js'

interface Asked {
  readonly config: Pick<Config, 'database'>
  readonly records: Pick<RecordStore, 'get'>
  readonly storage: {
    readonly engine: { isFull(bytes: number, files: number): Promise<boolean> }
    notReady(): Promise<string | undefined>
  }
  readonly isClosed: () => boolean
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
}

/** No upload has this id. */
const NO_UPLOAD = '-'
const ASK_EVERY_MS = 1_000

/** Returns what `GET /readyz` asks: resolves with why the server cannot take uploads well; undefined where it can. */
export function createReadiness({
  config,
  records,
  storage,
  isClosed,
  monotonic,
}: Asked): () => Promise<string | undefined> {
  // SQLite is a file in the data folder, and only ever behind for a while.
  const isAway = async (): Promise<boolean> => {
    if (config.database === 'sqlite') return false
    return records.get(NO_UPLOAD).then(
      () => false,
      () => true,
    )
  }
  let asked: { readonly atMs: number; readonly away: Promise<boolean> } | undefined
  // One question a second, however many ask: it takes a place among those of lists.
  const isAwayNow = (): Promise<boolean> => {
    const nowMs = monotonic()
    if (!asked || nowMs - asked.atMs >= ASK_EVERY_MS) asked = { atMs: nowMs, away: isAway() }
    return asked.away
  }
  return async () => {
    if (isClosed()) return 'the server is shutting down'
    if (await storage.engine.isFull(0, 1)) return 'the disk is full'
    if (await isAwayNow()) return 'the database does not answer'
    return storage.notReady()
  }
}
