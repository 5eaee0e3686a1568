import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { UploadError } from '../../../server/errors.js'
import type { Log } from '../../../server/model/log.js'
import type { Mark, MarkTable } from './mark-table.js'

interface FinishTools {
  readonly marks: Pick<MarkTable, 'set' | 'clear' | 'giveUp'>
  /** The endpoints that listen to `post-finish`. */
  readonly endpoints: readonly string[]
  readonly newId: (uploadId: string) => string
  /** This node's id while it has a lease. Without one a mark is looked at by any node, which is right too. */
  readonly nodeId: () => string | undefined
  readonly log: Log
  /** Uploads that are finished at once; others wait. */
  readonly most: number
  /** After a fault. */
  readonly faultPauseMs: number
}

/** An upload that this node is finishing. */
interface Finish {
  readonly uploadId: string
  /** Marks are given back by it: an upload may have been marked again meanwhile, here or elsewhere. */
  readonly claim: string
  readonly marks: Promise<readonly Mark[]>
  /** The marks are set, and the upload may be stored as finished. */
  isIntended: boolean
}

interface Waiting {
  readonly granted: () => void
  readonly failed: (error: Error) => void
}

/** The uploads that this node is finishing, each with marks in PostgreSQL. A bounded number: those that come then wait. */
export class SharedFinishes {
  readonly #tools: FinishTools
  readonly #finishing = new Map<string, Finish>()
  readonly #waiting: Waiting[] = []
  /** Marks that are being taken away, or given up. */
  readonly #ending = new Set<Promise<void>>()
  #taken = 0
  #isClosed = false

  constructor(tools: FinishTools) {
    this.#tools = tools
  }

  /** See Deliveries. */
  expect(uploadId: string): void {
    // Half of the places are kept for `intend`.
    const hasRoom = this.#taken < this.#tools.most / 2
    if (hasRoom && !this.#finishing.has(uploadId)) this.#begin(uploadId)
  }

  /** See Deliveries. */
  withdraw(uploadId: string): void {
    if (this.#finishing.get(uploadId)?.isIntended === false) this.forget(uploadId)
  }

  /** See Deliveries. Rejects with storage_unavailable. */
  async intend(uploadId: string): Promise<void> {
    // PostgreSQL may not have answered when it was expected, which may be long ago.
    const expected = await onceSet(this.#finishing.get(uploadId))
    const finish = expected ?? this.#begin(uploadId)
    try {
      await finish.marks
      finish.isIntended = true
    } catch (error) {
      if (this.#finishing.get(uploadId) === finish) this.#finishing.delete(uploadId)
      throw error instanceof UploadError ? error : new UploadError('storage_unavailable', { cause: error })
    }
  }

  /** The upload is finished: gives its marks, and what gives back its place; undefined where it was not intended. */
  take(uploadId: string): { marks: Promise<readonly Mark[]>; leave: () => void } | undefined {
    const finish = this.#finishing.get(uploadId)
    if (!finish?.isIntended) return undefined
    this.#finishing.delete(uploadId)
    return { marks: finish.marks, leave: () => this.#leave() }
  }

  /** See Deliveries. */
  forget(uploadId: string): void {
    const { marks } = this.#tools
    this.#end(uploadId, ({ claim }) => marks.clear(uploadId, claim))
  }

  /** Nobody here knows whether the upload is finished: whoever looks at what is stored of it does. */
  giveUp(uploadId: string): void {
    const { marks } = this.#tools
    this.#end(uploadId, ({ claim }) => marks.giveUp(uploadId, claim))
  }

  /** Nobody waits for a place any more: PostgreSQL takes nothing. */
  fail(cause: unknown): void {
    const detail = 'too many finishes wait for the database'
    for (const { failed } of this.#waiting.splice(0))
      failed(new UploadError('storage_unavailable', { cause, detail }))
  }

  /** Resolves when no mark is being taken away. Never rejects. */
  async idle(): Promise<void> {
    await Promise.all(this.#ending)
  }

  /** Begins nothing any more. */
  close(): void {
    this.#isClosed = true
    this.fail(new Error('the server ends'))
  }

  #begin(uploadId: string): Finish {
    const claim = randomUUID()
    const marks = this.#mark(uploadId, claim)
    // It is looked at by `intend`, which may come later.
    marks.catch(() => {})
    const finish = { uploadId, claim, marks, isIntended: false }
    this.#finishing.set(uploadId, finish)
    return finish
  }

  async #mark(uploadId: string, claim: string): Promise<readonly Mark[]> {
    const { marks, endpoints, newId, nodeId, most } = this.#tools
    if (this.#taken < most) this.#taken += 1
    else await new Promise<void>((granted, failed) => this.#waiting.push({ granted, failed }))
    try {
      const ids = endpoints.map((endpoint) => ({ endpoint, id: newId(uploadId) }))
      return await marks.set(uploadId, claim, nodeId(), ids)
    } catch (error) {
      this.#leave()
      throw error
    }
  }

  #end(uploadId: string, write: (finish: Finish) => Promise<void>): void {
    const finish = this.#finishing.get(uploadId)
    if (!finish) return
    this.#finishing.delete(uploadId)
    const ending = finish.marks.then(
      () => this.#write(() => write(finish)).finally(() => this.#leave()),
      () => {},
    )
    this.#ending.add(ending)
    void ending.finally(() => this.#ending.delete(ending))
  }

  /** Until PostgreSQL has it: the place bounds how many wait. Never rejects. */
  async #write(write: () => Promise<void>): Promise<void> {
    const { log, faultPauseMs } = this.#tools
    while (!this.#isClosed) {
      try {
        return await write()
      } catch (error) {
        log.error({ err: error }, 'the end of a finish could not be noted yet')
        this.fail(error)
        await pause(faultPauseMs, undefined, { ref: false })
      }
    }
  }

  #leave(): void {
    const next = this.#waiting.shift()
    if (next) next.granted()
    else this.#taken -= 1
  }
}

/** Resolves with a finish once its marks are set; with undefined where they cannot be, or there is none. */
async function onceSet(finish: Finish | undefined): Promise<Finish | undefined> {
  return finish?.marks.then(
    () => finish,
    () => undefined,
  )
}
