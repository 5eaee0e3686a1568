import type { Sqlite } from '../../sqlite.js'

const INCOMPLETE = 'incomplete'
const CLEAN = 'clean'
/** The start of the mark that tells since when no rows are missing; milliseconds since 1970 follow. */
const WHOLE_SINCE = 'whole since '

/** What the database says of itself, in the table `marks`: whether rows are missing, since when none are, and how it ended. */
export class Marks {
  readonly #insert: Sqlite.Statement<string>
  readonly #remove: Sqlite.Statement<string>
  readonly #find: Sqlite.Statement<string, { name: string }>
  readonly #replaceWholeSince: (wholeSinceMs: number) => void

  constructor(writer: Sqlite.Database, reader: Sqlite.Database) {
    this.#insert = writer.prepare('INSERT OR IGNORE INTO marks VALUES (?)')
    this.#remove = writer.prepare('DELETE FROM marks WHERE name LIKE ?')
    this.#find = reader.prepare('SELECT name FROM marks WHERE name LIKE ?')
    const replace = writer.transaction((wholeSinceMs: number) => {
      this.#remove.run(INCOMPLETE)
      this.#remove.run(`${WHOLE_SINCE}%`)
      this.#insert.run(`${WHOLE_SINCE}${wholeSinceMs}`)
    })
    this.#replaceWholeSince = (wholeSinceMs) => replace.immediate(wholeSinceMs)
  }

  get isIncomplete(): boolean {
    return this.#find.get(INCOMPLETE) !== undefined
  }

  /** Milliseconds since 1970; 0 in the database of an older Lading, which has no such mark. */
  get wholeSinceMs(): number {
    return Number(this.#find.get(`${WHOLE_SINCE}%`)?.name.slice(WHOLE_SINCE.length) ?? 0)
  }

  /** Rows are missing. Belongs into the caller's transaction. */
  setIncomplete(): void {
    this.#insert.run(INCOMPLETE)
  }

  /** No rows are missing of uploads that got bytes after `wholeSinceMs`. @throws SQLite's errors */
  setWhole(wholeSinceMs: number): void {
    this.#replaceWholeSince(wholeSinceMs)
  }

  /** Everything was written before the end. @throws SQLite's errors */
  setClean(): void {
    this.#insert.run(CLEAN)
  }

  /** Takes the mark of a clean end away; true where it was there. @throws SQLite's errors */
  takeClean(): boolean {
    return this.#remove.run(CLEAN).changes > 0
  }
}
