/** Work that is done once. Calls while it runs share that run. After a failure the next call runs it again. */
export class Once<T> {
  readonly #work: () => Promise<T>
  #done: Promise<T> | undefined

  constructor(work: () => Promise<T>) {
    this.#work = work
  }

  /** Rejects as the work does. */
  done(): Promise<T> {
    this.#done ??= this.#work().catch((error: unknown) => {
      this.#done = undefined
      throw error
    })
    return this.#done
  }
}
