import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { UploadError, unlessMissing } from '../../errors.js'
import type { Grant } from '../../model/grant.js'
import { readIfThere, replaceFile } from './small-file.js'

/** Grants whose uses are in memory; at most 1000 ids each. The file of any other is read when it is used. */
const MOST_IN_MEMORY = 64
const PURGE_EVERY_MS = 3_600_000

const Uses = v.object({ expiresAt: v.number(), uploads: v.array(v.string()) })

interface Entry {
  readonly expiresAt: number
  /** The ids of the uploads that were created with it. */
  readonly uploads: Set<string>
}

export interface GrantUsesTools {
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: { error(fields: object, message: string): void }
}

/**
 * Which uploads each grant has created, in one small file for each grant that has a count: a grant is used up also
 * after a restart. Each file is replaced as a whole, one change after the other.
 */
export class GrantUses {
  readonly #folder: string
  readonly #tools: GrantUsesTools
  readonly #entries = new Map<string, Entry>()
  /** The last change of all: one after the other, so that two at once cannot both take the last use. */
  #last: Promise<unknown> = Promise.resolve()
  #purgedAtMs = -Infinity

  constructor(folder: string, tools: GrantUsesTools) {
    this.#folder = folder
    this.#tools = tools
  }

  /** Takes one of the uploads that a grant allows. Rejects with grant_used, and with the disk's error. */
  take({ id, count, expiresAt }: Grant, uploadId: string): Promise<void> {
    if (count === null) return Promise.resolve()
    this.#purge()
    return this.#inOrder(async () => {
      const entry = (await this.#entryOf(id)) ?? { expiresAt, uploads: new Set() }
      if (entry.uploads.size >= count) throw new UploadError('grant_used')
      entry.uploads.add(uploadId)
      await this.#save(id, entry)
    })
  }

  /** Gives one back, in the background. Does nothing where the upload has none. */
  giveBack(id: string, uploadId: string): void {
    this.#inOrder(async () => {
      const entry = await this.#entryOf(id)
      if (entry?.uploads.delete(uploadId)) await this.#save(id, entry)
    }).catch((error: unknown) => {
      this.#tools.log.error({ err: error, id: uploadId }, 'the use of a grant could not be given back')
    })
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  async #entryOf(id: string): Promise<Entry | undefined> {
    const known = this.#entries.get(id)
    if (known) return known
    const text = await readIfThere(this.#pathOf(id))
    if (text === undefined) return undefined
    const { expiresAt, uploads } = v.parse(Uses, JSON.parse(text))
    return { expiresAt, uploads: new Set(uploads) }
  }

  /** Where it fails, the next one to ask reads what the file has. */
  async #save(id: string, entry: Entry): Promise<void> {
    this.#entries.delete(id)
    await mkdir(this.#folder, { recursive: true, mode: 0o750 })
    const text = JSON.stringify({ expiresAt: entry.expiresAt, uploads: [...entry.uploads] })
    await replaceFile(this.#pathOf(id), text, 0o640)
    this.#entries.set(id, entry)
    for (const [first] of this.#entries) if (this.#entries.size > MOST_IN_MEMORY) this.#entries.delete(first)
  }

  /** Removes the files of grants whose time is over, at most once an hour, and in the background: there may be many. */
  #purge(): void {
    const nowMs = this.#tools.now()
    if (nowMs - this.#purgedAtMs < PURGE_EVERY_MS) return
    this.#purgedAtMs = nowMs
    this.#removeOver(nowMs).catch((error: unknown) => {
      this.#tools.log.error({ err: error }, 'the files of grants could not be listed')
    })
  }

  async #removeOver(nowMs: number): Promise<void> {
    for (const name of (await readdir(this.#folder).catch(unlessMissing)) ?? []) {
      const id = /^([0-9a-f]{32})\.json$/.exec(name)?.[1]
      if (id === undefined) continue
      try {
        const entry = await this.#entryOf(id)
        // One that ended just now may still be counted for a creation that came before.
        if (!entry || entry.expiresAt * 1000 > nowMs - PURGE_EVERY_MS) continue
        this.#entries.delete(id)
        await rm(this.#pathOf(id), { force: true })
      } catch (error) {
        this.#tools.log.error({ err: error, name }, 'the file of a grant could not be read or removed')
      }
    }
  }

  #pathOf(id: string): string {
    return join(this.#folder, `${id}.json`)
  }
}
