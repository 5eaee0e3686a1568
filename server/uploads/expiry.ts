import type { Engine } from '../model/engine.js'
import type { Log } from '../model/log.js'
import { dueAtMs, nextStep, type Terms } from '../model/next-step.js'
import { loadUpload } from './load-upload.js'
import { TimeShare } from './time-share.js'
import type { Unfinished } from './unfinished.js'
import type { StoredUpload } from './upload.js'

/** Uploads that are removed by one message to the thread. */
const BATCH = 256
/** Sidecars that are read at once. */
const READS_AT_ONCE = 32
/** What expiry has of a core: a third of one, and where bodies arrive a sixth. */
const [SHARE_ALONE, SHARE_BESIDE_BODIES] = [3, 6]
/** On a busy machine a batch takes long: pauses as long as that would let a flood of creations outrun expiry. */
const MOST_PAUSE_MS = 100

interface ExpiryTools {
  readonly engine: Pick<Engine, 'load' | 'addressOf'>
  readonly log: Log
  readonly now: () => number
  readonly terms: Terms
  readonly unfinished: Pick<Unfinished, 'due' | 'set' | 'delete' | 'has'>
  readonly inMemory: (id: string) => StoredUpload | undefined
  /** Runs `work` under the locks of these uploads, but for those that are held. */
  readonly underLocks: (
    ids: readonly string[],
    work: (free: readonly string[]) => Promise<void>,
  ) => Promise<void>
  /** Removes what may go of these uploads; the caller holds their locks. */
  readonly expire: (uploads: readonly StoredUpload[]) => Promise<readonly StoredUpload[]>
  /** Does to an upload what is due; the caller holds its lock. */
  readonly handleDue: (id: string) => Promise<string>
  readonly isReceiving: () => boolean
  /** After so long an upload is looked at again that was due and stays; milliseconds. */
  readonly againMs: number
}

/** Removes unfinished uploads whose time is over, in batches, and does what else is due with one. */
export class Expiry {
  readonly #tools: ExpiryTools
  readonly #ended = new AbortController()
  readonly #share: TimeShare
  /** What may take long: to finish an upload, or to look at a final one. */
  #slow: Promise<void> = Promise.resolve()

  constructor(tools: ExpiryTools) {
    this.#tools = tools
    const oneOf = (): number => (tools.isReceiving() ? SHARE_BESIDE_BODIES : SHARE_ALONE)
    this.#share = new TimeShare(oneOf, this.#ended.signal, MOST_PAUSE_MS)
  }

  /** Ends what runs at its next batch. */
  stop(): void {
    this.#ended.abort()
  }

  /** Resolves when nothing runs any more. */
  ended(): Promise<void> {
    return this.#slow
  }

  /** Does what is due now. An upload that cannot be read or removed is logged, and tried again later. */
  async run(): Promise<void> {
    const { unfinished, now, againMs, underLocks } = this.#tools
    this.#share.begin()
    while (!this.#ended.signal.aborted) {
      const ids = unfinished.due(now(), BATCH)
      if (ids.length === 0) return
      // Whatever becomes of them, they do not come at once again.
      for (const id of ids) unfinished.set(id, now() + againMs)
      await underLocks(ids, (free) => this.#batch(free))
      await this.#share.rest()
    }
  }

  async #batch(ids: readonly string[]): Promise<void> {
    const over: StoredUpload[] = []
    for (let from = 0; from < ids.length; from += READS_AT_ONCE) {
      const found = await Promise.all(ids.slice(from, from + READS_AT_ONCE).map((id) => this.#overIfRead(id)))
      over.push(...found.flatMap((upload) => upload ?? []))
    }
    if (over.length === 0) return
    const removed = await this.#remove(over)
    const [first] = removed
    if (first) this.#tools.log.info({ id: first.id, uploads: removed.length }, 'expired uploads were removed')
  }

  /** Removes all at once or, where that fails, one by one: a file that cannot be removed does not keep the others. */
  async #remove(over: readonly StoredUpload[]): Promise<readonly StoredUpload[]> {
    try {
      return await this.#tools.expire(over)
    } catch (error) {
      const [first] = over
      if (over.length > 1) return this.#removeEach(over)
      this.#tools.log.error({ err: error, id: first?.id }, 'an expired upload could not be removed')
      return []
    }
  }

  async #removeEach(over: readonly StoredUpload[]): Promise<readonly StoredUpload[]> {
    const removed: StoredUpload[] = []
    for (const upload of over) {
      if (this.#ended.signal.aborted) break
      removed.push(...(await this.#remove([upload])))
    }
    return removed
  }

  /** As `#over`; undefined where the upload cannot be read now. */
  async #overIfRead(id: string): Promise<StoredUpload | undefined> {
    try {
      return await this.#over(id)
    } catch (error) {
      this.#tools.log.error({ err: error, id }, 'the expiry could not read an upload')
      return undefined
    }
  }

  /** The upload where it is one that can simply be removed; what else is due with it is begun. */
  async #over(id: string): Promise<StoredUpload | undefined> {
    const { unfinished, inMemory, now, terms } = this.#tools
    const upload = inMemory(id) ?? (await this.#read(id))
    if (!upload || upload.gone || upload.sha256 !== null) {
      unfinished.delete(id)
      return undefined
    }
    const next = nextStep(upload, now(), terms)
    if (next === 'expire' && upload.kind !== 'final') return upload
    if (next === 'wait') unfinished.set(id, dueAtMs(upload, now(), terms))
    else this.#later(id)
    return undefined
  }

  /** The upload as it is stored; undefined where there is none, or none that can be read. */
  async #read(id: string): Promise<StoredUpload | undefined> {
    const found = await loadUpload(this.#tools.engine, id)
    return found.kind === 'upload' ? found.upload : undefined
  }

  #later(id: string): void {
    const { underLocks, handleDue, log } = this.#tools
    this.#slow = this.#slow.then(async () => {
      if (this.#ended.signal.aborted) return
      try {
        await underLocks([id], async ([free]) => {
          if (free === id) log.info({ id, done: await handleDue(id) }, 'did what was due with an upload')
        })
      } catch (error) {
        log.error({ err: error, id }, 'the sweep failed at an entry')
      }
    })
  }
}
