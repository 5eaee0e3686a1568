import type { ClusterEvent } from '../model/cluster.js'
import type { UploadRecord } from '../model/record.js'
import type { LiveUploads, UploadState } from '../model/upload-state.js'

/** By then the index has what was said. The state of a running upload is sent more often. */
const KEEP_MS = 5_000
/** Beyond that what was said first is forgotten, and shown as the index has it. */
const MOST_BYTES = 4 * 1024 * 1024
/** What an entry takes beside the texts that a client chooses. */
const ENTRY_BYTES = 1_024
/** An entry of what happened here has no texts. */
const OWN_BYTES = 256

interface Known {
  /** Null for what happened here: this node has it in memory. */
  readonly state: UploadState | null
  /** Of the upload's lock under which it happened; null where nobody held it. */
  readonly token: number | null
  readonly untilMs: number
  readonly bytes: number
}

/** The uploads of other nodes, as those nodes have said in the last seconds. */
export class Elsewhere {
  readonly #monotonic: () => number
  /** In the order in which they were said. */
  readonly #known = new Map<string, Known>()
  #bytes = 0
  #isSilent = false

  /** `monotonic` gives milliseconds of a monotonic clock. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  /** Takes what another node says. False where it came late: somebody else has had the upload since. */
  hear({ state, token }: Pick<ClusterEvent, 'state' | 'token'>): boolean {
    this.#forgetOld()
    const known = this.#known.get(state.id)
    if (known && token !== null && token < (known.token ?? 0)) return false
    this.#set(state.id, { state, token: token ?? known?.token ?? null, bytes: bytesOf(state) })
    return true
  }

  /** Something happened to an upload here, under a token: what another node says late about the time before does not count. */
  note({ id }: UploadRecord, token: number | null): void {
    this.#forgetOld()
    this.#set(id, { state: null, token, bytes: OWN_BYTES })
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

/** As an upper bound: a character takes two bytes. */
function bytesOf({ metadata, filename, declaredType, reason, owner }: UploadState): number {
  const texts = [metadata, filename, declaredType, reason, owner]
  return ENTRY_BYTES + 2 * texts.reduce((sum, text) => sum + (text?.length ?? 0), 0)
}
