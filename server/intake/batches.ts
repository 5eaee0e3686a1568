import type { Block, BlockSink } from '../model/body.js'

/** The batches of one body that are with its sink: one, or the last one behind another. */
export class Batches {
  #underWay = 0
  #isLastGiven = false
  #isOver = false
  #failure: { readonly error: unknown } | undefined
  #settle: { resolve(): void; reject(error: unknown): void } | undefined
  /** Resolves once the sink has taken the last batch. Rejects with its first error, once all batches are back. */
  readonly over = new Promise<void>((resolve, reject) => {
    this.#settle = { resolve, reject }
  })

  /** Nothing goes to the sink any more: it has failed, or has taken the last batch. */
  get isOver(): boolean {
    return this.#isOver
  }

  get isWriting(): boolean {
    return this.#underWay > 0
  }

  /** Tells whether the sink may have a batch now. */
  mayGive(sink: BlockSink, last: boolean): boolean {
    if (this.#isLastGiven || this.#isOver) return false
    return this.#underWay === 0 || (last && sink.takesLastAtOnce)
  }

  /** Hands a batch to a sink. One that throws before it waits has failed like any other. */
  async give(sink: BlockSink, batch: readonly Block[], last: boolean): Promise<void> {
    this.#underWay += 1
    this.#isLastGiven = last
    await sink.write(batch, last)
  }

  /** A batch is back, and its blocks have been given back. */
  taken(): void {
    this.#underWay -= 1
    this.#settleIfOver()
  }

  /** The sink has failed, and its blocks have been given back. */
  failed(error: unknown): void {
    this.#isOver = true
    this.#failure ??= { error }
    this.taken()
  }

  #settleIfOver(): void {
    if (this.#underWay > 0) return
    if (this.#failure) this.#settle?.reject(this.#failure.error)
    else if (this.#isLastGiven) {
      this.#isOver = true
      this.#settle?.resolve()
    }
  }
}
