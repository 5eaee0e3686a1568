import type { Listing, UploadRow } from './api.js'
import { announce, byId, setText } from './dom.js'
import type { Filters } from './filters.js'
import { mayComeBack, wordsOf } from './refusal.js'
import { UploadLine, type UploadTools } from './upload-line.js'

const PAGE_ROWS = 25
/** Many uploads may change at once: the list is asked for again at most so often. */
const RELOAD_AFTER_MS = 700
const RETRIED_AFTER_MS = 3_000
const AGES_EVERY_MS = 20_000

interface ListParts {
  readonly load: (query: URLSearchParams, signal: AbortSignal) => Promise<Listing>
  readonly filters: Filters
  readonly tools: UploadTools
  /** The list cannot be shown. */
  readonly refused: (error: unknown) => void
}

/** The list of uploads, page by page; it knows no more of them than one page. */
export class UploadsList {
  readonly #parts: ListParts
  readonly #body = byId('rows', HTMLElement)
  readonly #message = byId('list-message', HTMLElement)
  readonly #table = byId('table', HTMLElement)
  readonly #newer = byId('newer', HTMLButtonElement)
  readonly #older = byId('older', HTMLButtonElement)
  readonly #count = byId('count', HTMLButtonElement)
  readonly #where = byId('where', HTMLElement)
  /** The cursor of each page from the first to this one; the first has none. */
  #cursors: (string | null)[] = [null]
  #next: string | null = null
  #lines = new Map<string, UploadLine>()
  #asked: AbortController | null = null
  #reload: ReturnType<typeof setTimeout> | undefined
  #isShown = false
  /** All records are being counted, which may take longer than the time between two changes. */
  #isCounting = false
  /** How many there were when they were counted, until the filter or the page changes. */
  #total: number | undefined

  constructor(parts: ListParts) {
    this.#parts = parts
    parts.filters.onChange(() => this.#turnTo([null]))
    this.#newer.addEventListener('click', () => this.#turnTo(this.#cursors.slice(0, -1)))
    this.#older.addEventListener('click', () => this.#turnTo([...this.#cursors, this.#next]))
    this.#count.addEventListener('click', () => this.#load({ total: 'true' }))
    setInterval(() => {
      for (const line of this.#lines.values()) line.tick()
    }, AGES_EVERY_MS)
  }

  /** Asks for this page, as whoever asks now. */
  show(): Promise<boolean> {
    this.#isShown = true
    this.#total = undefined
    return this.#load()
  }

  /** Shows nothing, until `show` is called. */
  clear(): void {
    this.#isShown = false
    this.#cursors = [null]
    this.#total = undefined
    this.#asked?.abort()
    clearTimeout(this.#reload)
    this.#reload = undefined
    this.#draw({ uploads: [], cursor: null })
    this.#message.hidden = true
  }

  /** An upload changed: it is shown as it is now, and what it changes in the list comes a moment later. */
  changed(kind: string, row: UploadRow): void {
    const line = this.#lines.get(row.id)
    if (line) line.show(row)
    if (kind === 'progress' && (line || this.#cursors.length > 1)) return
    this.reloadSoon()
  }

  /** Somebody here has removed an upload: what was counted is not true any more. */
  removed(): void {
    this.#total = undefined
    this.reloadSoon()
  }

  /** Asks for this page again a moment later, once for many reasons. */
  reloadSoon(afterMs = RELOAD_AFTER_MS): void {
    if (!this.#isShown || this.#reload !== undefined) return
    this.#reload = setTimeout(() => {
      this.#reload = undefined
      if (this.#isCounting) this.reloadSoon()
      else void this.#load()
    }, afterMs)
  }

  #turnTo(cursors: (string | null)[]): void {
    this.#cursors = cursors.length === 0 ? [null] : cursors
    this.#total = undefined
    if (this.#isShown) void this.#load().then((isThere) => isThere && announce(this.#summary()))
  }

  /** Resolves with whether the server has answered with a list. */
  async #load(more: Readonly<Record<string, string>> = {}): Promise<boolean> {
    this.#asked?.abort()
    const asked = new AbortController()
    this.#asked = asked
    this.#isCounting = more.total !== undefined
    const query = this.#parts.filters.query()
    query.set('limit', String(PAGE_ROWS))
    const cursor = this.#cursors.at(-1)
    if (cursor) query.set('cursor', cursor)
    for (const [name, value] of Object.entries(more)) query.set(name, value)
    try {
      const listing = await this.#parts.load(query, asked.signal)
      if (asked.signal.aborted) return false
      this.#draw(listing)
      return true
    } catch (error) {
      if (asked.signal.aborted) return false
      this.#say(wordsOf(error))
      if (mayComeBack(error)) this.reloadSoon(RETRIED_AFTER_MS)
      this.#parts.refused(error)
      return false
    } finally {
      if (this.#asked === asked) this.#isCounting = false
    }
  }

  #draw({ uploads, cursor, total }: Listing): void {
    const { tools, filters } = this.#parts
    const before = this.#lines
    this.#lines = new Map(
      uploads.map((row) => [row.id, before.get(row.id) ?? new UploadLine(row, tools)] as const),
    )
    for (const row of uploads) this.#lines.get(row.id)?.show(row)
    this.#place([...this.#lines.values()].map(({ element }) => element))
    this.#next = cursor
    this.#newer.disabled = this.#cursors.length === 1
    this.#older.disabled = cursor === null
    // A count is that of one moment; nobody counts a million records at each change.
    this.#total = total ?? this.#total
    const counted = this.#total?.toLocaleString('en')
    setText(this.#count, counted === undefined ? 'Count all' : `${counted} uploads`)
    setText(this.#where, this.#summary())
    const isEmpty = uploads.length === 0
    this.#table.hidden = isEmpty
    if (!isEmpty) this.#message.hidden = true
    else if (filters.isSet) this.#say('No upload matches. Change the search, or clear it.')
    else this.#say('Nothing here yet. Drop a file above, and it appears here.')
  }

  /** Puts rows in their order, and leaves the focus where it is. */
  #place(rows: readonly HTMLElement[]): void {
    const isSame =
      rows.length === this.#body.children.length && rows.every((row, at) => row === this.#body.children[at])
    if (isSame) return
    const focused = document.activeElement
    this.#body.replaceChildren(...rows)
    if (focused instanceof HTMLElement && this.#body.contains(focused)) focused.focus()
  }

  #summary(): string {
    const page = this.#cursors.length
    return this.#lines.size === 0 ? '' : `Page ${page}, ${this.#lines.size} uploads, the newest first`
  }

  #say(words: string): void {
    this.#message.hidden = false
    setText(this.#message, words)
  }
}
