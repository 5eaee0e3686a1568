import type { Log } from '../model/log.js'
import type { RecordsProblem } from '../model/record-store.js'

/** Whether the database is written now, as the last try has shown; logs each change. */
export class Trouble {
  readonly #log: Log
  readonly #fields: (fields: object) => object
  #problem: RecordsProblem | null = null

  /** @param fields what each line of the log has, with these fields */
  constructor(log: Log, fields: (fields: object) => object) {
    this.#log = log
    this.#fields = fields
  }

  /** Null while the database is written. */
  get problem(): RecordsProblem | null {
    return this.#problem
  }

  /** Writing begins to fail. */
  begin(problem: RecordsProblem, cause: string): void {
    this.#problem = problem
    const fields = this.#fields({ cause })
    if (problem === 'locked')
      this.#log.warn(fields, 'another process has locked the database; records wait, uploads continue')
    else this.#log.error(fields, 'the database cannot be written and is tried again; uploads continue')
  }

  /** Writing works again. */
  end(afterMs: number, tries: number): void {
    this.#problem = null
    const fields = this.#fields({ afterMs: Math.round(afterMs), tries })
    this.#log.info(fields, 'the database of records answers again')
  }

  /** Nothing more will be written. */
  halt(cause: string): void {
    this.#problem = 'newer'
    this.#log.error(this.#fields({}), cause)
  }
}
