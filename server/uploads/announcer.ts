import type { EventKind, EventListener } from '../model/event.js'
import type { Log } from '../model/log.js'
import type { StoredUpload } from './upload.js'
import type { RecordEnd } from './upload-record.js'

/** The one place where changes of uploads are announced; the index is the first to listen. */
export class Announcer {
  readonly #listeners: readonly EventListener[]
  readonly #now: () => number
  readonly #log: Pick<Log, 'error'>

  /** `now` gives milliseconds since 1970. */
  constructor(listeners: readonly EventListener[], tools: { now: () => number; log: Pick<Log, 'error'> }) {
    this.#listeners = listeners
    this.#now = tools.now
    this.#log = tools.log
  }

  /**
   * Tells every listener what happened to an upload; `end` is why one was removed. Never throws: a listener that
   * fails is logged, and the others are called all the same.
   */
  announce(upload: StoredUpload, kind: EventKind, end?: RecordEnd): void {
    const isAtRest = kind === 'finished' || (kind === 'restated' && !end)
    const record = isAtRest ? upload.toRecordAtRest() : upload.toRecord(this.#now(), end)
    for (const listener of this.#listeners) {
      try {
        listener({ kind, record, parts: upload.parts, request: upload.hooks.request })
      } catch (error) {
        this.#log.error({ err: error, id: upload.id, kind }, 'a listener failed at an event')
      }
    }
  }
}
