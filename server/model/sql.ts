/**
 * Why PostgreSQL did not do what it was asked: it cannot be reached, another transaction holds a lock in the way, the
 * time limit ended the query, its schema is a newer Lading's, or anything else, which is in the message.
 */
export type SqlProblem = 'gone' | 'locked' | 'slow' | 'newer' | 'failing'

/**
 * A query or transaction that failed. Nothing of a transaction is kept, except where `gone` or `slow` came from its
 * commit: nobody knows then.
 */
export class SqlError extends Error {
  readonly problem: SqlProblem
  /** PostgreSQL's code (SQLSTATE), such as `23505`; '' where the error is not PostgreSQL's. */
  readonly code: string

  constructor(problem: SqlProblem, message: string, options: { cause?: unknown; code?: string } = {}) {
    super(message, { cause: options.cause })
    this.name = 'SqlError'
    this.problem = problem
    this.code = options.code ?? ''
  }
}

/** True for what is wrong with a row itself: its values (class 22), a rule of the table (23), or its size (54). */
export function isRowFault(error: unknown): boolean {
  return error instanceof SqlError && /^(22|23|54)/.test(error.code)
}

/** A parameter of a query. An array becomes an array of PostgreSQL. */
export type SqlValue =
  | string
  | number
  | boolean
  | bigint
  | null
  | Date
  | Uint8Array
  | readonly (string | number | null)[]

/** What a query gave. PostgreSQL's `bigint` is a number here, as all of ours are below 2^53. */
export interface SqlResult<Row> {
  readonly rows: readonly Row[]
  /** How many rows were selected, inserted, updated or deleted. */
  readonly changes: number
}

/** Where queries are asked: the pool, or one transaction. */
export interface SqlQueries {
  /**
   * Asks one query, whose parameters are `$1`, `$2` and so on. Every query has a time limit.
   *
   * @throws SqlError (rejects)
   */
  query<Row extends object = Record<string, unknown>>(
    text: string,
    values?: readonly SqlValue[],
  ): Promise<SqlResult<Row>>
}

/** A PostgreSQL database behind a bounded pool of connections, which are opened when they are needed. */
export interface Sql extends SqlQueries {
  /** Names the database in the log: host, port and database, without user and password. */
  readonly place: string
  /**
   * Does `work` in one transaction: commits once it resolves, and rolls back where it rejects.
   *
   * @throws SqlError (rejects), or what `work` throws
   */
  transaction<T>(work: (queries: SqlQueries) => Promise<T>): Promise<T>
  /**
   * Brings one part's tables up to date. Step n of `steps` takes the schema from version n to n + 1; a released step is
   * never changed. Of many nodes that begin at once one does it, and the others wait or get `locked`.
   *
   * @param part the name of the tables' owner, such as `records`
   * @returns the version that was found; 0 in a new database
   * @throws SqlError (rejects); `newer` where the schema has more steps: it is left as it is
   */
  migrate(part: string, steps: readonly string[]): Promise<number>
  /** Closes the connections, after the queries that run. Later queries reject with `gone`. */
  end(): Promise<void>
}

/** What nodes say to each other through PostgreSQL (LISTEN and NOTIFY), heard on a connection of its own. */
export interface Notices {
  /** True while notices are heard. */
  readonly isConnected: boolean
  /**
   * Calls `heard`, which must not throw, with the payload of each notice on a channel, in order.
   *
   * @param channel lower-case letters, digits and _
   * @returns a function that ends it
   */
  listen(channel: string, heard: (payload: string) => void): () => void
  /**
   * Calls `connected` each time the connection is there, for the first time or again. What was sent while it was not
   * there is never heard: the caller asks the tables for it.
   *
   * @returns a function that ends it
   */
  onConnected(connected: () => void): () => void
  /** Closes the connection. */
  end(): Promise<void>
}
