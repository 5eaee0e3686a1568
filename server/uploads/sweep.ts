import type { Engine, Entry } from '../model/engine.js'
import type { Log } from '../model/log.js'
import { isUnfinished, type UploadRecord } from '../model/record.js'
import type { RecordStore } from '../model/record-store.js'
import { isSameRecord } from '../model/same-record.js'
import { ASKED_AGAIN_MS } from './joining/joined-finals.js'
import { TimeShare } from './time-share.js'
import type { StoredUpload } from './upload.js'
import type { Visit, Visited } from './visit.js'

/** Rows that are asked for at once. */
const PAGE = 256
/** Unfinished uploads that are visited at once. */
const VISITS_AT_ONCE = 8
/** Clocks differ, and a record may be a moment behind its upload. */
const SLACK_MS = 24 * 3_600_000
/** What a walk has of a core: a half, and where bodies arrive a twelfth. */
const [SHARE_ALONE, SHARE_BESIDE_BODIES] = [2, 12]
/** What the proof has of a core: it is done over and over, and nobody waits for it. */
const SHARE_OF_PROOF = 256
/** The first names of each proof take less time, so that a small folder is proven at once. */
const BEGINNING = { names: 256, oneOf: 16, mostPauseMs: 100 }

/** The index, as far as the sweep asks it; every call rejects where the database cannot be asked now. */
export type SweepIndex = Pick<
  RecordStore,
  'unfinished' | 'withFiles' | 'finals' | 'missing' | 'rows' | 'remove' | 'restore'
>

interface SweepTools {
  readonly engine: Pick<Engine, 'list' | 'has'>
  readonly visit: Visit
  readonly index: SweepIndex
  /** The newest record of an upload, also where it is not in the database yet. */
  readonly recordOf: (finished: StoredUpload) => Promise<UploadRecord | undefined>
  readonly announce: (upload: StoredUpload, kind: 'finished') => void
  readonly log: Log
  readonly now: () => number
  readonly expireAfterMs: number
  /** Tells whether bodies are being received now. */
  readonly isReceiving: () => boolean
  /** Called with every finished final upload that is recent, or that the index may not know as finished. */
  readonly foundFinished: (finished: StoredUpload) => Promise<void>
  /** Called once, when every upload was visited that is not finished. */
  readonly foundAll: () => Promise<void>
}

/**
 * Visits uploads: after a start all that are unfinished, by the index or, where that has gaps, by a walk over the
 * day folders; and then, slowly, everything, to prove the index against the disk.
 */
export class Sweep {
  readonly #tools: SweepTools
  readonly #ended = new AbortController()
  readonly #keeping: TimeShare
  #isFirst = true

  constructor(tools: SweepTools) {
    this.#tools = tools
    this.#keeping = this.#shareOfWalk()
  }

  /** Ends what runs at its next entry. */
  stop(): void {
    this.#ended.abort()
  }

  /** False until every upload that is not finished was visited once. */
  get hasSeenAll(): boolean {
    return !this.#isFirst
  }

  /**
   * The first pass, where the index has no gaps but those of a crash: the rows that are unfinished, the final
   * uploads that were finished lately, and the names in the newest folders that the index does not know.
   *
   * @param newestAt the latest change that the index knows of; null where nothing can be missing
   */
  async known(newestAt: string | null): Promise<void> {
    await this.#recentFinals()
    await this.unfinished()
    if (newestAt !== null) await this.#unknownNames(newestAt)
    await this.#endFirst()
  }

  /** Visits what is unfinished by the index, and puts the index right where the disk has something else. */
  async unfinished(): Promise<void> {
    const { index } = this.#tools
    const share = this.#shareOfWalk()
    for await (const rows of this.#pages((afterId) => index.unfinished(afterId, PAGE))) {
      for (let from = 0; from < rows.length; from += VISITS_AT_ONCE) {
        await share.rest()
        if (this.#isEnded) return
        const lost = await Promise.all(rows.slice(from, from + VISITS_AT_ONCE).map((row) => this.#check(row)))
        const ids = lost.flatMap((id) => id ?? [])
        if (ids.length > 0) await index.remove(ids)
      }
    }
  }

  /** A walk over everything, newest day first; gives the rows as the disk has them. It can be the first pass. */
  async *everything(): AsyncGenerator<UploadRecord> {
    const share = this.#shareOfWalk()
    for await (const entries of this.#tools.engine.list()) {
      for (const entry of entries) {
        await share.rest()
        if (this.#isEnded) return
        const found = await this.#visited(entry)
        if (this.#isFirst) await this.#noteFinal(found)
        const row = this.#tools.visit.rowOf(found)
        if (row) yield row
      }
    }
    this.#keeping.begin()
    await this.#endFirst()
  }

  /** Compares the index with the disk both ways, in small steps over hours. */
  async prove(): Promise<void> {
    const { index, visit, log } = this.#tools
    let share = new TimeShare(() => BEGINNING.oneOf, this.#ended.signal, BEGINNING.mostPauseMs)
    let [restored, proven] = [0, 0]
    for await (const entries of this.#tools.engine.list()) {
      const rows = await this.#rowsOf(entries)
      for (const entry of entries) {
        await share.rest()
        if (this.#isEnded) return
        proven += 1
        if (proven === BEGINNING.names) share = new TimeShare(() => SHARE_OF_PROOF, this.#ended.signal)
        const row = visit.rowOf(await this.#visited(entry))
        if (!row || isSameRecord(row, rows.get(row.id))) continue
        await index.restore(row)
        restored += 1
      }
    }
    const removed = await this.#removeLost(share)
    if (restored + removed > 0) log.info({ restored, removed }, 'the index differed from the disk')
  }

  /** Tells whether an upload has its files, at the pace of a walk. */
  async isKept(id: string): Promise<boolean> {
    await this.#keeping.rest()
    return this.#isEnded || this.#tools.engine.has(id)
  }

  get #isEnded(): boolean {
    return this.#ended.signal.aborted
  }

  async #endFirst(): Promise<void> {
    if (!this.#isFirst || this.#isEnded) return
    this.#isFirst = false
    await this.#tools.foundAll()
  }

  /** Visits the upload of a row; gives its id where there is none any more. */
  async #check(row: UploadRecord): Promise<string | undefined> {
    const { index, visit } = this.#tools
    const found = await this.#visited({ id: row.id, kind: 'bytes' })
    if (found === 'missing') {
      await this.#visited({ id: row.id, kind: 'facts' })
      return row.id
    }
    await this.#noteFinal(found)
    const seen = visit.rowOf(found)
    if (!seen || isSameRecord(seen, row)) return undefined
    if (typeof found === 'object' && isUnfinished(row.state) && seen.state === 'finished')
      await this.#announceFinished(found)
    else await index.restore(seen)
    return undefined
  }

  /** A crash came between the finish of an upload and its announcement; a request may have finished it meanwhile. */
  async #announceFinished(upload: StoredUpload): Promise<void> {
    const newest = await this.#tools.recordOf(upload)
    if (!newest || isUnfinished(newest.state)) this.#tools.announce(upload, 'finished')
  }

  async #recentFinals(): Promise<void> {
    const { index, now, expireAfterMs } = this.#tools
    const sinceMs = Math.max(0, now() - Math.max(expireAfterMs, ASKED_AGAIN_MS))
    const share = this.#shareOfWalk()
    let after = { updatedAt: new Date(sinceMs).toISOString(), id: '' }
    for (;;) {
      const rows = await index.finals(after, PAGE)
      for (const row of rows) {
        await share.rest()
        if (this.#isEnded) return
        await this.#noteFinal(await this.#visited({ id: row.id, kind: 'bytes' }))
      }
      const last = rows.at(-1)
      if (!last) return
      after = { updatedAt: last.updatedAt, id: last.id }
    }
  }

  /** A crash may have lost the rows of the last moments: only new names are read from the disk. */
  async #unknownNames(newestAt: string): Promise<void> {
    const { index, visit, now } = this.#tools
    const share = this.#shareOfWalk()
    const from = new Date(Math.max(0, Math.min(Date.parse(newestAt), now()) - SLACK_MS))
    const fromDay = from.toISOString().slice(0, 10).replaceAll('-', '/')
    for await (const entries of this.#tools.engine.list(fromDay)) {
      await share.rest()
      if (this.#isEnded) return
      const ids = idsOf(entries)
      const missing = ids.length > 0 ? await index.missing(ids) : []
      const leftovers = entries.filter(({ kind }) => kind === 'temporary')
      for (const entry of [...leftovers, ...missing.map((id): Entry => ({ id, kind: 'bytes' }))]) {
        const found = await this.#visited(entry)
        await this.#noteFinal(found)
        const row = visit.rowOf(found)
        if (row?.state === 'finished' && typeof found === 'object') await this.#announceFinished(found)
        else if (row) await index.restore(row)
      }
    }
  }

  /** Removes the rows of uploads whose files are gone; gives their number. */
  async #removeLost(share: TimeShare): Promise<number> {
    const { index, engine } = this.#tools
    let removed = 0
    for await (const rows of this.#pages((afterId) => index.withFiles(afterId, PAGE))) {
      const lost: string[] = []
      for (const { id } of rows) {
        await share.rest()
        if (this.#isEnded) return removed
        if (!(await engine.has(id))) lost.push(id)
      }
      if (lost.length > 0) removed += await index.remove(lost)
    }
    return removed
  }

  async *#pages(
    next: (afterId: string) => Promise<readonly UploadRecord[]>,
  ): AsyncGenerator<readonly UploadRecord[]> {
    for (let rows = await next(''); ; rows = await next(rows.at(-1)?.id ?? '')) {
      if (rows.length === 0) return
      yield rows
    }
  }

  async #rowsOf(entries: readonly Entry[]): Promise<ReadonlyMap<string, UploadRecord>> {
    const rows = await this.#tools.index.rows(idsOf(entries))
    return new Map(rows.map((row) => [row.id, row]))
  }

  #shareOfWalk(): TimeShare {
    const oneOf = (): number => (this.#tools.isReceiving() ? SHARE_BESIDE_BODIES : SHARE_ALONE)
    return new TimeShare(oneOf, this.#ended.signal)
  }

  /** A crash may have come between the finish of a final upload and the release of its parts. */
  async #noteFinal(found: Visited): Promise<void> {
    if (typeof found !== 'object' || found.kind !== 'final' || found.sha256 === null) return
    try {
      await this.#tools.foundFinished(found)
    } catch (error) {
      this.#tools.log.error({ err: error, id: found.id }, 'the parts of a final upload could not be released')
    }
  }

  /** What goes wrong with one entry is logged, and the others are visited all the same. */
  async #visited(entry: Entry): Promise<Visited> {
    try {
      return await this.#tools.visit.entry(entry)
    } catch (error) {
      this.#tools.log.error({ err: error, ...entry }, 'the sweep failed at an entry')
      return undefined
    }
  }
}

/** The uploads among these entries. */
function idsOf(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ id, kind }) => (kind === 'bytes' ? id : []))
}
