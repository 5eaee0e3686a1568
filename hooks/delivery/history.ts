import { createReadStream } from 'node:fs'
import { appendFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from '../../server/errors.js'
import type { EndedDelivery } from './delivery.js'
import { endedLine, overLine, readEnded } from './spool-lines.js'
import { Turns } from './turns.js'

interface HistoryOptions {
  readonly folder: string
  /** The file's name without its ending. */
  readonly name: string
  /** Of one file, in bytes; there are two. */
  readonly mostBytes: number
  /** Whether the headers of clients' requests are kept. */
  readonly headers: boolean
}

interface Batch {
  readonly lines: string[]
  bytes: number
  readonly written: Promise<void>
}

/** Lines that wait for their turn to be written may take so much memory. */
const MOST_WAITING_BYTES = 1024 * 1024

/**
 * The newest deliveries that ended, in two files: when the current one is full it replaces the other one. Nothing of
 * it is held in memory: a page is read from the disk.
 */
export class History {
  readonly #options: HistoryOptions
  readonly #path: string
  readonly #oldPath: string
  readonly #turns = new Turns()
  /** Lines that are written together when their turn comes. */
  #waiting: Batch | undefined
  #fileBytes = 0
  #count = 0

  constructor(options: HistoryOptions) {
    this.#options = options
    this.#path = join(options.folder, `${options.name}.jsonl`)
    this.#oldPath = join(options.folder, `${options.name}.old.jsonl`)
  }

  /** Deliveries that are kept; exact once `open` has resolved. */
  get count(): number {
    return this.#count
  }

  /** Counts what is there. Rejects with the system's error. */
  async open(): Promise<void> {
    await this.#inTurn(async () => {
      this.#fileBytes = await bytesOf(this.#path)
      await this.#recount()
    })
  }

  /** Keeps a delivery. Rejects with the system's error, or where too many wait to be written. */
  async add(ended: EndedDelivery): Promise<void> {
    await this.#write(endedLine(ended, this.#options))
    this.#count += 1
  }

  /** Takes a delivery out that is kept. Rejects with the system's error. */
  async remove(id: string): Promise<void> {
    await this.#write(overLine(id))
    this.#count -= 1
  }

  /** Which of these deliveries are kept. Rejects with the system's error. */
  async which(ids: ReadonlySet<string>): Promise<Set<string>> {
    return this.#inTurn(async () => {
      const found = new Set<string>()
      if (ids.size === 0) return found
      for await (const entry of this.#entries()) {
        if (typeof entry === 'string') found.delete(entry)
        else if (ids.has(entry.id)) found.add(entry.id)
      }
      return found
    })
  }

  /** Finds a delivery. Rejects with the system's error. */
  async find(id: string): Promise<EndedDelivery | undefined> {
    return this.#inTurn(async () => {
      let found: EndedDelivery | undefined
      for await (const entry of this.#entries()) {
        if (entry === id) found = undefined
        else if (typeof entry === 'object' && entry.id === id) found = entry
      }
      return found
    })
  }

  /** The newest deliveries that ended before this one, at most `limit`, in no order. Rejects with the system's error. */
  async newest(before: EndedDelivery | undefined, limit: number): Promise<EndedDelivery[]> {
    return this.#inTurn(async () => {
      const newest = new Map<string, EndedDelivery>()
      for await (const entry of this.#entries()) {
        newest.delete(typeof entry === 'string' ? entry : entry.id)
        if (typeof entry === 'string' || (before && byEnd(entry, before) >= 0)) continue
        newest.set(entry.id, entry)
        // Those that end together are written in any order.
        if (newest.size > limit) newest.delete([...newest.values()].reduce(earlier).id)
      }
      return [...newest.values()]
    })
  }

  /** Resolves when nothing is being read or written. */
  async idle(): Promise<void> {
    await this.#turns.idle()
  }

  async #write(line: string): Promise<void> {
    const bytes = Buffer.byteLength(line) + 1
    const waiting = this.#waiting ?? this.#beginBatch()
    if (waiting.bytes > 0 && waiting.bytes + bytes > MOST_WAITING_BYTES)
      throw new Error('too much waits to be written')
    waiting.lines.push(line)
    waiting.bytes += bytes
    await waiting.written
  }

  #beginBatch(): Batch {
    const lines: string[] = []
    const written = this.#inTurn(async () => {
      this.#waiting = undefined
      await this.#append(lines.map((line) => `\n${line}`).join(''))
    })
    this.#waiting = { lines, bytes: 0, written }
    return this.#waiting
  }

  async #append(text: string): Promise<void> {
    const bytes = Buffer.byteLength(text)
    if (this.#fileBytes > 0 && this.#fileBytes + bytes > this.#options.mostBytes) await this.#rotate()
    await appendFile(this.#path, text, { mode: 0o600 })
    this.#fileBytes += bytes
  }

  async #rotate(): Promise<void> {
    await rename(this.#path, this.#oldPath)
    this.#fileBytes = 0
    await this.#recount()
  }

  async #recount(): Promise<void> {
    const ids = new Set<string>()
    for await (const entry of this.#entries()) {
      if (typeof entry === 'string') ids.delete(entry)
      else ids.add(entry.id)
    }
    this.#count = ids.size
  }

  async *#entries(): AsyncGenerator<EndedDelivery | string> {
    for (const path of [this.#oldPath, this.#path]) {
      for await (const line of linesOf(path)) {
        const entry = readEnded(line)
        if (entry !== undefined) yield entry
      }
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.take('', work)
  }
}

async function bytesOf(path: string): Promise<number> {
  return (await stat(path).catch(unlessMissing))?.size ?? 0
}

/** Orders deliveries by their end. */
export function byEnd(one: EndedDelivery, other: EndedDelivery): number {
  return one.endedAt.localeCompare(other.endedAt) || one.id.localeCompare(other.id)
}

function earlier(one: EndedDelivery, other: EndedDelivery): EndedDelivery {
  return byEnd(one, other) < 0 ? one : other
}

/** The lines of a file; none where there is no such file. Rejects with the system's other errors. */
async function* linesOf(path: string): AsyncGenerator<string> {
  if ((await bytesOf(path)) === 0) return
  let rest = ''
  for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  yield rest
}
