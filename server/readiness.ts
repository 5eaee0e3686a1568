import type { Config } from './config.js'
import type { RecordStore } from './model/record-store.js'
import { onceASecond } from './once-a-second.js'

interface Asked {
  readonly config: Pick<Config, 'database'>
  readonly records: Pick<RecordStore, 'get'>
  readonly storage: {
    readonly engine: { isFull(bytes: number, files: number): Promise<boolean> }
    notReady(): Promise<string | undefined>
  }
  readonly isClosed: () => boolean
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** No upload has this id. */
const NO_UPLOAD = '-'
/** Whoever asks must know soon, also where S3 takes a request and does not answer it. */
const ANSWER_WITHIN_MS = 3_000

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
  // One question a second, however many ask: it takes a place among those of lists.
  const whyAway = onceASecond(
    async () => ((await isAway()) ? 'the database does not answer' : storage.notReady()),
    { withinMs: ANSWER_WITHIN_MS, late: 'the database or the storage does not answer', monotonic },
  )
  return async () => {
    if (isClosed()) return 'the server is shutting down'
    if (await storage.engine.isFull(0, 1)) return 'the disk is full'
    return whyAway()
  }
}
