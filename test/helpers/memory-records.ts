import { isUnfinished, STATES_WITH_FILES, type UploadRecord } from '../../server/model/record.js'
import type { RecordStore } from '../../server/model/record-store.js'
import {
  isBehind,
  type ListPlace,
  matches,
  newestFirst,
  type UploadFilter,
} from '../../server/model/upload-list.js'
import type {
  Answer,
  Backend,
  BackendEvents,
  Call,
  Opening,
  RecordBatch,
} from '../../server/records/backend.js'
import { QueuedRecords, type QueuedRecordsOptions } from '../../server/records/queued-records.js'

type Held = 'write' | Call['name']

/** What a database has, held in memory: it outlives the stores that are opened on it, as a file does. */
export class MemoryDatabase {
  readonly rows = new Map<string, UploadRecord>()
  isIncomplete = true
  isClean = false
  wholeSinceMs = 0
  readonly #held = new Map<Held, { waiting: number; released: Promise<void> }>()

  /** Holds up batches (`write`) or calls of one name; returns the function that releases them. */
  hold(name: Held): () => void {
    let release = (): void => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    this.#held.set(name, { waiting: 0, released })
    return () => {
      this.#held.delete(name)
      release()
    }
  }

  /** How many batches or calls of this name are held up. */
  waiting(name: Held): number {
    return this.#held.get(name)?.waiting ?? 0
  }

  async pass(name: Held): Promise<void> {
    const held = this.#held.get(name)
    if (held) held.waiting += 1
    await held?.released
  }

  write(batch: RecordBatch, openedAt: string): void {
    if (batch.incomplete) this.isIncomplete = true
    for (const record of batch.live) this.rows.set(record.id, record)
    for (const record of batch.restored) {
      const known = this.rows.get(record.id)
      if (known && known.updatedAt > record.updatedAt && known.updatedAt >= openedAt) continue
      this.rows.set(record.id, record)
    }
  }

  opening(): Opening {
    const newestAt = [...this.rows.values()].map(({ updatedAt }) => updatedAt).sort()
    const { isIncomplete, wholeSinceMs } = this
    return {
      isNew: false,
      incomplete: isIncomplete,
      newestAt: newestAt.at(-1) ?? null,
      wholeSinceMs,
      identity: '',
    }
  }

  answer(call: Call): Answer {
    switch (call.name) {
      case 'get':
        return { rows: this.#some(({ id }) => id === call.id), changes: 0 }
      case 'rows':
        return { rows: this.#some(({ id }) => call.ids.includes(id)), changes: 0 }
      case 'missing':
        return { rows: [], found: call.ids.filter((id) => !this.rows.has(id)), changes: 0 }
      case 'unfinished':
        return { rows: this.#page(call, ({ state }) => isUnfinished(state)), changes: 0 }
      case 'withFiles':
        return { rows: this.#page(call, hasFiles), changes: 0 }
      case 'finals': {
        const after = placeOf(call.after)
        const finals = this.#some((row) => row.state === 'finished' && row.concat === 'final')
        const later = finals.filter((row) => placeOf(row) > after)
        return {
          rows: later.sort((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1)).slice(0, call.limit),
          changes: 0,
        }
      }
      case 'newest': {
        const times = this.#some(({ state }) => state === call.state).map(({ updatedAt }) => updatedAt)
        const found = times.sort().reverse()[call.skip]
        return { rows: [], found: found === undefined ? [] : [found], changes: 0 }
      }
      case 'remove':
        return this.#delete(this.#some((row) => call.ids.includes(row.id) && hasFiles(row)))
      case 'purge': {
        const old = this.#some((row) => row.state === call.state && row.updatedAt < call.before)
        return this.#delete(old.slice(0, call.limit))
      }
      case 'list': {
        const rows = this.#listed(call).slice(0, call.limit)
        const isWhole = this.#listed(call).length <= call.limit
        return { rows, next: isWhole ? null : (rows.at(-1) ?? null), changes: 0 }
      }
      case 'count':
        return {
          rows: [],
          changes: this.#listed(call).filter(({ id }) => !call.without.includes(id)).length,
          next: null,
        }
      case 'complete':
        this.isIncomplete = false
        this.wholeSinceMs = call.wholeSinceMs
        return { rows: [], changes: 0 }
      case 'markClean':
        this.isClean = true
        return { rows: [], changes: 0 }
      case 'takeClean': {
        const changes = this.isClean ? 1 : 0
        this.isClean = false
        return { rows: [], changes }
      }
    }
  }

  #some(filter: (row: UploadRecord) => boolean): UploadRecord[] {
    return [...this.rows.values()].filter(filter)
  }

  #listed({ filter, after }: { filter: UploadFilter; after: ListPlace }): UploadRecord[] {
    return this.#some((row) => matches(filter, row) && isBehind(row, after)).sort(newestFirst)
  }

  #page(at: { afterId: string; limit: number }, filter: (row: UploadRecord) => boolean): UploadRecord[] {
    const rows = this.#some((row) => row.id > at.afterId && filter(row))
    return rows.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, at.limit)
  }

  #delete(rows: readonly UploadRecord[]): Answer {
    for (const { id } of rows) this.rows.delete(id)
    return { rows: [], changes: rows.length }
  }
}

/** The second implementation of the seam behind the queue: it answers in a later turn, and never fails. */
class MemoryBackend implements Backend {
  readonly #database: MemoryDatabase
  readonly #events: BackendEvents
  readonly #openedAt = new Date().toISOString()
  #isStopped = false

  constructor(database: MemoryDatabase, events: BackendEvents) {
    this.#database = database
    this.#events = events
    setImmediate(() => events.opened(database.opening()))
  }

  write(batch: RecordBatch): boolean {
    void this.#database.pass('write').then(() => {
      if (this.#isStopped) return
      this.#database.write(batch, this.#openedAt)
      this.#events.written([])
    })
    return true
  }

  async call(call: Call): Promise<Answer> {
    await this.#database.pass(call.name)
    return this.#database.answer(call)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
  }
}

/** Opens the record store over a database in memory. */
export function openMemoryRecords(database: MemoryDatabase, options: QueuedRecordsOptions): RecordStore {
  return new QueuedRecords(options, (events) => new MemoryBackend(database, events))
}

function hasFiles({ state }: UploadRecord): boolean {
  return STATES_WITH_FILES.some((each) => each === state)
}

function placeOf({ updatedAt, id }: { updatedAt: string; id: string }): string {
  return `${updatedAt} ${id}`
}
