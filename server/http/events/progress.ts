import type { UploadRecord } from '../../model/record.js'
import { restView, type UploadState } from '../../model/upload-state.js'

/** Uploads whose progress waits to be sent; beyond that it is sent at once. */
const MOST_CHANGED = 2_000

interface ProgressTools {
  /** The uploads that receive bytes now, as the API shows them. */
  readonly receiving: () => readonly UploadState[]
  /** An upload in memory as the API shows it. */
  readonly peek: (id: string) => UploadState | undefined
}

/** What is still to be sent of the progress of uploads: of each the newest state, and only where it is another one. */
export class Progress {
  readonly #tools: ProgressTools
  /** The newest records of uploads whose requests ended. */
  readonly #changed = new Map<string, UploadRecord>()
  /** What was last sent of uploads that receive. */
  #shown = new Map<string, string>()

  constructor(tools: ProgressTools) {
    this.#tools = tools
  }

  /** Notes the progress of an upload; false where more is waiting than may. */
  note(record: UploadRecord): boolean {
    this.#changed.set(record.id, record)
    return this.#changed.size < MOST_CHANGED
  }

  /** Another event says more of an upload than what waits. */
  forget(id: string): void {
    this.#changed.delete(id)
    this.#shown.delete(id)
  }

  clear(): void {
    this.#changed.clear()
    this.#shown.clear()
  }

  /** What is to be sent now. */
  take(): UploadState[] {
    const { receiving, peek } = this.#tools
    const states: UploadState[] = []
    const shown = new Map<string, string>()
    for (const state of receiving()) {
      const { id, offset, length, type, bytesPerSecond } = state
      const text = `${offset} ${length} ${type} ${bytesPerSecond}`
      shown.set(id, text)
      this.#changed.delete(id)
      if (this.#shown.get(id) !== text) states.push(state)
    }
    this.#shown = shown
    for (const [id, record] of this.#changed) states.push(peek(id) ?? restView(record))
    this.#changed.clear()
    return states
  }
}
