import type { ClusterEvent } from '../model/cluster.js'
import { isUnfinished, type RecordState, type UploadRecord } from '../model/record.js'
import type { LiveUploads, UploadState } from '../model/upload-state.js'

/** After this time the index has what was said. What is received is said again more often. */
const KEEP_MS = 5_000
/** Beyond that what was said first is forgotten, and shown as the index has it. */
const MOST_BYTES = 4 * 1024 * 1024
/** What an entry takes beside the texts that a client chooses. */
const ENTRY_BYTES = 1_024
/** An entry of what happened here has no texts. */
const OWN_BYTES = 256
/** What happened here, in the place of another node's name. */
const OWN = ''

interface Known {
  /** Null for what happened here: this node has it in memory. */
  readonly state: UploadState | null
  readonly said: Said
  readonly untilMs: number
  readonly bytes: number
}

/** As much of a state as tells which of two is older. */
interface Said {
  readonly origin: string
  readonly state: RecordState
  readonly createdAt: string
  readonly offset: number
}

/** The uploads of other nodes, as those nodes have said in the last seconds. */
export class Elsewhere {
  readonly #monotonic: () => number
  /** In the order in which they were said. */
  readonly #known = new Map<string, Known>()
  #bytes = 0
  #isSilent = false

  /** `monotonic` gives milliseconds of a clock that nobody sets. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /** Takes what another node says. False where it is older than what is known, because it came late. */
  hear({ state, origin }: Pick<ClusterEvent, 'state' | 'origin'>): boolean {
    this.#forgetOld()
    const said = saidOf(state, origin)
    const known = this.#known.get(state.id)
    if (known && isOlder(said, known.said)) return false
    this.#set(state.id, { state, said, bytes: bytesOf(state) })
    return true
  }

  /** Something happened to an upload here: what another node says late about the time before does not count. */
  note(record: UploadRecord): void {
    this.#forgetOld()
    this.#set(record.id, { state: null, said: saidOf(record, OWN), bytes: OWN_BYTES })
  }

  /** What another node has said last of an upload; undefined where something has happened to it here since. */
  get(id: string): UploadState | undefined {
    this.#forgetOld()
    return this.#known.get(id)?.state ?? undefined
  }

  /** What other nodes have said last. */
  states(): readonly UploadState[] {
    this.#forgetOld()
    return [...this.#known.values()].flatMap(({ state }) => state ?? [])
  }

  /** Forgets everything. */
  clear(): void {
    this.#known.clear()
    this.#bytes = 0
  }

  /**
   * Forgets what was said too long ago. True where a node has said of an upload that it is being received, and then
   * nothing more, since the last call: it has died, perhaps.
   */
  sweep(): boolean {
    this.#forgetOld()
    const isSilent = this.#isSilent
    this.#isSilent = false
    return isSilent
  }

  #forgetOld(): void {
    const nowMs = this.#monotonic()
    for (const [id, { untilMs, state }] of this.#known) {
      const isOld = untilMs <= nowMs
      if (!isOld && this.#bytes <= MOST_BYTES) return
      if (isOld && state?.state === 'receiving') this.#isSilent = true
      this.#forget(id)
    }
  }

  #set(id: string, known: Omit<Known, 'untilMs'>): void {
    this.#forget(id)
    this.#known.set(id, { ...known, untilMs: this.#monotonic() + KEEP_MS })
    this.#bytes += known.bytes
  }

  #forget(id: string): void {
    this.#bytes -= this.#known.get(id)?.bytes ?? 0
    this.#known.delete(id)
  }
}

/** The uploads of all nodes: those that this node receives as it has them, and the others as their nodes say. */
export function uploadsOfAllNodes(own: LiveUploads, elsewhere: Elsewhere): LiveUploads {
  const peek = (id: string): UploadState | undefined => {
    const mine = own.peek(id)
    // What is at rest here may have gone on elsewhere since.
    return mine?.state === 'receiving' ? mine : elsewhere.get(id)
  }
  const newer = () => new Map([...elsewhere.states(), ...own.receiving()].map((state) => [state.id, state]))
  return { peek, newer, receiving: () => [...newer().values()].filter(({ state }) => state === 'receiving') }
}

function saidOf({ state, createdAt, offset }: UploadRecord, origin: string): Said {
  return { state, createdAt, offset, origin }
}

/** What one node says comes in order. Of two nodes the one that has more of an upload has had it later. */
function isOlder(said: Said, known: Said): boolean {
  if (said.origin === known.origin) return false
  // An id that is free again may be another upload's.
  if (said.createdAt !== known.createdAt) return said.createdAt < known.createdAt
  if (rankOf(said) !== rankOf(known)) return rankOf(said) < rankOf(known)
  return isUnfinished(said.state) && said.offset < known.offset
}

function rankOf({ state }: Said): number {
  if (state === 'finished') return 1
  return isUnfinished(state) ? 0 : 2
}

/** As an upper bound: a character takes two bytes. */
function bytesOf({ metadata, filename, declaredType, reason, owner }: UploadState): number {
  const texts = [metadata, filename, declaredType, reason, owner]
  return ENTRY_BYTES + 2 * texts.reduce((sum, text) => sum + (text?.length ?? 0), 0)
}
