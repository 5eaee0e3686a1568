import { UploadError } from '../../errors.js'
import type { StoredUpload } from '../upload.js'
import { FairLimit } from './fair-limit.js'
import { finalKey } from './final-key.js'

/** Final uploads that may be open at once; half a kilobyte each. */
export const MOST_OPEN = 20_000
/** Parts that all open final uploads may name together, each counted once; 150 bytes each. */
export const MOST_NAMES = 100_000
/** Who asked for a final upload before this process began is not known. */
const NOBODY = ''

/** What a final upload waits for. */
interface Wait {
  /** The part that has yet to get bytes; those before it in the list are whole. */
  readonly part: string
  /** Its place in the list. */
  readonly place: number
  /** When the final upload, or one of its parts, last got bytes or was created; milliseconds since 1970. */
  readonly touchedAtMs: number
  /** When it expires unless bytes come; milliseconds since 1970. */
  readonly dueAtMs: number
}

interface OpenFinal {
  readonly key: string
  readonly client: string
  /** The final upload that the same request, of somebody else, has made before. */
  readonly before: string | undefined
  wait: Wait | null
}

interface Name {
  /** The final uploads that name this part. */
  finals: number
  /** Who named it first; it counts for them. */
  readonly client: string
}

type Final = Pick<StoredUpload, 'id' | 'owner' | 'grant' | 'parts' | 'metadata'>

/**
 * The final uploads that are not joined yet, and the parts they name. What is kept for each is small and of
 * one size; its list of parts and its metadata are on the disk. After a start the sweep brings them in one by
 * one: until it has ended, any part may be named by one of them.
 */
export class OpenFinals {
  readonly #open = new Map<string, OpenFinal>()
  readonly #byKey = new Map<string, string>()
  readonly #names = new Map<string, Name>()
  /** The final uploads that wait for a part. */
  readonly #waiting = new Map<string, Set<string>>()
  readonly #finalShares: FairLimit
  readonly #nameShares: FairLimit
  #allKnown = false

  constructor(limits: { open: number; names: number } = { open: MOST_OPEN, names: MOST_NAMES }) {
    this.#finalShares = new FairLimit(limits.open)
    this.#nameShares = new FairLimit(limits.names)
  }

  /** The sweep has brought in every final upload there is. */
  get allKnown(): boolean {
    return this.#allKnown
  }

  /** See `allKnown`. */
  firstSweepEnded(): void {
    this.#allKnown = true
  }

  /** The id of the open final upload that the same request has made. */
  madeBy(key: string): string | undefined {
    return this.#byKey.get(key)
  }

  /** Takes a new one in, for the client that asks for it. Throws finals_full where that client has its share. */
  enter(final: Final, client: string): void {
    const fresh = [...new Set(final.parts)].filter((part) => !this.#names.has(part)).length
    const hasRoom = this.#finalShares.hasRoom(client, 1) && this.#nameShares.hasRoom(client, fresh)
    if (!hasRoom) throw new UploadError('finals_full', { detail: client })
    this.#add(final, client)
  }

  /** Takes one in that is on the disk; nothing happens where it is known already. */
  add(final: Final): void {
    if (!this.#open.has(final.id)) this.#add(final, NOBODY)
  }

  /** Takes one out; `parts` are those it was taken in with. */
  delete({ id, parts }: Pick<Final, 'id' | 'parts'>): void {
    const open = this.#open.get(id)
    if (!open) return
    this.waitFor(id, null)
    this.#open.delete(id)
    if (this.#byKey.get(open.key) === id) this.#byKey.delete(open.key)
    const { before } = open
    if (before !== undefined && this.#open.has(before) && !this.#byKey.has(open.key))
      this.#byKey.set(open.key, before)
    this.#finalShares.giveBack(open.client, 1)
    for (const part of new Set(parts)) this.#unname(part)
  }

  /** Notes what a final upload waits for now; null: for nothing. */
  waitFor(id: string, wait: Wait | null): void {
    const open = this.#open.get(id)
    if (!open) return
    const before = open.wait?.part
    open.wait = wait
    if (before === wait?.part) return
    if (before !== undefined) {
      const waiting = this.#waiting.get(before)
      waiting?.delete(id)
      if (waiting?.size === 0) this.#waiting.delete(before)
    }
    if (wait) this.#waiting.set(wait.part, (this.#waiting.get(wait.part) ?? new Set()).add(id))
  }

  /** What a final upload waits for; null where that is not known, or nothing. */
  waitOf(id: string): Wait | null {
    return this.#open.get(id)?.wait ?? null
  }

  /** The ids of the final uploads that wait for a part. */
  waitingFor(part: string): readonly string[] {
    return [...(this.#waiting.get(part) ?? [])]
  }

  /** Tells whether an open final upload names a part, as far as they are known. */
  isNamed(part: string): boolean {
    return this.#names.has(part)
  }

  /** Tells whether a part is, or may be, named by another open final upload than one that names it. */
  isNamedByOthers(part: string): boolean {
    return !this.#allKnown || (this.#names.get(part)?.finals ?? 0) > 1
  }

  /** Tells whether a part is, or may be, named by an open final upload. */
  mayBeNamed(part: string): boolean {
    return !this.#allKnown || this.#names.has(part)
  }

  #add(final: Final, client: string): void {
    const key = finalKey(final)
    this.#open.set(final.id, { key, client, before: this.#byKey.get(key), wait: null })
    this.#byKey.set(key, final.id)
    this.#finalShares.take(client, 1)
    for (const part of new Set(final.parts)) {
      const name = this.#names.get(part)
      if (name) name.finals += 1
      else {
        this.#names.set(part, { finals: 1, client })
        this.#nameShares.take(client, 1)
      }
    }
  }

  #unname(part: string): void {
    const name = this.#names.get(part)
    if (!name) return
    name.finals -= 1
    if (name.finals > 0) return
    this.#names.delete(part)
    this.#nameShares.giveBack(name.client, 1)
  }
}
