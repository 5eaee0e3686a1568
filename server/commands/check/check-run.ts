import { setTimeout } from 'node:timers/promises'
import type { UploadRecord } from '../../model/record.js'
import type { Console } from '../console.js'
import { printable, reasonOfSystem } from '../printable.js'
import { Progress } from '../progress.js'
import { type Fault, type LookTools, look } from './look.js'

const PAGE = 256
/** Suspects that are looked at again together. */
const MOST_SUSPECTS = 256
/** What the server does to an upload between two of its files takes less time. */
const AGAIN_AFTER_MS = 2_000

interface Named {
  /** Under the data folder. */
  readonly path: string
  readonly entry: { readonly id: string; readonly kind: 'bytes' | 'facts' | 'temporary' } | undefined
  /** Why a folder cannot be read. */
  readonly fault?: unknown
}

/** Where the check reads. */
export interface CheckTools extends Omit<LookTools, 'proven'> {
  /** Every file in the folder of uploads, and every folder that cannot be read. */
  readonly names: () => AsyncIterable<Named>
  /** Undefined for a file that is gone. */
  readonly bytesOf: (path: string) => Promise<number | undefined>
  /** Records of uploads that have files, by id, after `afterId`; an empty page is the end. */
  readonly rows: (afterId: string, limit: number) => Promise<readonly UploadRecord[]>
}

/** What was found. */
export interface Findings {
  uploads: number
  bytes: number
  missing: number
  foreign: number
  damaged: number
  /** What a crash left of writing a sidecar; the server removes it. */
  leftovers: number
}

interface Suspect {
  readonly id: string
  readonly path: string
}

/**
 * One check of a data folder. It changes nothing and takes no lock: what looks wrong is looked at again two seconds
 * later, because the server may have been at it.
 */
export class CheckRun {
  readonly #tools: CheckTools
  readonly #looking: LookTools
  readonly #console: Console
  readonly #isJson: boolean
  readonly #progress: Progress
  readonly #found: Findings = { uploads: 0, bytes: 0, missing: 0, foreign: 0, damaged: 0, leftovers: 0 }
  #total = { uploads: 0, bytes: 0 }
  #suspects = new Map<string, Suspect>()

  constructor(tools: CheckTools, console: Console, isJson: boolean) {
    this.#tools = tools
    this.#console = console
    this.#isJson = isJson
    this.#looking = {
      ...tools,
      proven: (bytes) => {
        this.#found.bytes += bytes
      },
    }
    this.#progress = new Progress(console, () => ({
      doneBytes: this.#found.bytes,
      totalBytes: this.#total.bytes,
      count: `${this.#found.uploads} of ${this.#total.uploads} uploads`,
    }))
  }

  /** Looks at everything. Rejects at a signal. */
  async run(): Promise<Findings> {
    try {
      await this.#count()
      for await (const { path, entry, fault } of this.#tools.names()) {
        this.#console.signal.throwIfAborted()
        if (!entry) this.#stranger(path, fault)
        else if (entry.kind === 'temporary') this.#found.leftovers += 1
        else await this.#file(path, entry)
      }
      await this.#records()
      await this.#lookAgain()
    } finally {
      this.#progress.end()
    }
    return this.#found
  }

  async #count(): Promise<void> {
    for await (const { path, entry } of this.#tools.names()) {
      this.#console.signal.throwIfAborted()
      if (entry?.kind !== 'bytes') continue
      this.#total.uploads += 1
      this.#total.bytes += (await this.#tools.bytesOf(path)) ?? 0
    }
  }

  #stranger(path: string, fault: unknown): void {
    if (fault === undefined) this.#report(path, null, { kind: 'foreign', why: 'it belongs to no upload' })
    else this.#report(path, null, { kind: 'damaged', why: `it cannot be read: ${reasonOfSystem(fault)}` })
  }

  async #file(path: string, { id, kind }: NonNullable<Named['entry']>): Promise<void> {
    if (kind === 'bytes') this.#found.uploads += 1
    else if ((await this.#tools.bytesOf(path.replace(/\.json$/, ''))) !== undefined) return
    const before = this.#found.bytes
    if (!(await look(id, this.#looking))) return
    // What it has is counted when it is looked at again.
    this.#found.bytes = before
    await this.#suspect({ id, path })
  }

  /** Records whose files are gone; what has files was looked at by its name. */
  async #records(): Promise<void> {
    for (
      let rows = await this.#tools.rows('', PAGE);
      rows.length > 0;
      rows = await this.#tools.rows(rows.at(-1)?.id ?? '', PAGE)
    ) {
      for (const { id, path } of rows) {
        this.#console.signal.throwIfAborted()
        // Where there is a sidecar, its name was seen.
        const files = await Promise.all([path, `${path}.json`].map((each) => this.#tools.bytesOf(each)))
        if (files.every((bytes) => bytes === undefined)) await this.#suspect({ id, path })
      }
    }
  }

  async #suspect(suspect: Suspect): Promise<void> {
    this.#suspects.set(suspect.id, suspect)
    if (this.#suspects.size >= MOST_SUSPECTS) await this.#lookAgain()
  }

  async #lookAgain(): Promise<void> {
    if (this.#suspects.size === 0) return
    await setTimeout(AGAIN_AFTER_MS, undefined, { signal: this.#console.signal })
    const suspects = [...this.#suspects.values()]
    this.#suspects = new Map()
    for (const { id, path } of suspects) {
      this.#console.signal.throwIfAborted()
      const fault = await look(id, this.#looking)
      if (fault) this.#report(path, id, fault)
    }
  }

  #report(path: string, id: string | null, { kind, why }: Fault): void {
    this.#found[kind] += 1
    const text = this.#isJson
      ? JSON.stringify({ finding: kind, id, path, why })
      : `${kind} ${printable(path)}: ${why}`
    this.#progress.line(text)
  }
}
