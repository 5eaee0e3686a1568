import { within } from './within.js'

// Together less than ten seconds: the limit of an exit.
const REQUESTS_END_WITHIN_MS = 4_000
const BACKGROUND_ENDS_WITHIN_MS = 1_000
// What is not delivered then is delivered after the next start.
const HOOKS_END_WITHIN_MS = 1_200
const RECORDS_END_WITHIN_MS = 1_500
// A disk that hangs must not keep the process: what it has not taken counts as not stored.
const STORAGE_ENDS_WITHIN_MS = 1_000
const LOG_ENDS_WITHIN_MS = 1_000

/** What ends with the server. */
export interface Ending {
  /** Takes the requests. */
  readonly front: { refuseNew(): void; close(withinMs: number): Promise<unknown> }
  /** Says other nodes how far uploads are. */
  readonly nodes: { stop(): void }
  readonly events: { close(): void }
  readonly background: { stop(): void; close(): Promise<void> }
  readonly frontDoor: { close(): void }
  readonly uploads: { end(): Promise<void> }
  /** Null where there are no hooks. */
  readonly hooks: { close(): Promise<void> } | null
  readonly records: { close(withinMs: number): Promise<void> }
  readonly storage: { end(): Promise<void> }
  readonly vitals: { close(): void }
  readonly quietLogs: readonly { flush(): void }[]
  readonly log: { flush(done: () => void): void }
}

/**
 * Ends a server within ten seconds: new requests are refused, running ones end at a block and keep their offset, the
 * queue of records is written, and the log is flushed. What takes longer than its time is left behind.
 */
export async function shutdown(ending: Ending): Promise<void> {
  const { front, events, background, frontDoor, uploads, records, storage, vitals, quietLogs, hooks, log } =
    ending
  front.refuseNew()
  ending.nodes.stop()
  events.close()
  background.stop()
  frontDoor.close()
  await front.close(REQUESTS_END_WITHIN_MS)
  const ended = Promise.all([background.close(), uploads.end()]).then(() => {})
  await within(BACKGROUND_ENDS_WITHIN_MS, ended)
  if (hooks) await within(HOOKS_END_WITHIN_MS, hooks.close())
  // Closing the records also ends what of the background work waits for them.
  await records.close(RECORDS_END_WITHIN_MS)
  await within(STORAGE_ENDS_WITHIN_MS, storage.end())
  vitals.close()
  for (const quiet of quietLogs) quiet.flush()
  await within(LOG_ENDS_WITHIN_MS, new Promise<void>((resolve) => log.flush(() => resolve())))
}
