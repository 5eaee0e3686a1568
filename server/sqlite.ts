import { createRequire } from 'node:module'
import type Sqlite from 'better-sqlite3'
import { nodeApiVersion } from './vitals.js'

export type { Sqlite }

/** Node has it from 22.14 on. On an older Node, better-sqlite3 13 ends the process with a segmentation fault. */
const NODE_API_OF_13 = 10

/** A library of SQLite, as far as it is tried here. */
type Library = new (path: string) => { close(): unknown }

let library: typeof Sqlite | undefined
let problem: string | null = null

/** Why better-sqlite3 12 is used where this Node wants 13; null where it is not, or nothing was opened yet. */
export const sqliteProblem = (): string | null => problem

/** Opens a database as better-sqlite3 does. @throws SQLite's errors, and an error where the library cannot be loaded */
export function openSqlite(path: string, options?: Sqlite.Options): Sqlite.Database {
  library ??= loadSqlite<typeof Sqlite>(nodeApiVersion(), createRequire(import.meta.url), (why) => {
    problem = why
  })
  return new library(path, options)
}

/** SQLite's code of an error, e.g. `SQLITE_BUSY`; empty for any other error. */
export function codeOf(error: unknown): string {
  return library && error instanceof library.SqliteError ? error.code : ''
}

/**
 * Loads better-sqlite3 13 where this Node can run it, and 12 otherwise: 13 does not run on Node 20, and 12 ends the
 * process at a garbage collection on Node 24.19 and later. `nodeApi` is the newest Node-API that Node has. `without13` is
 * called where 13 should be used and cannot be loaded.
 *
 * @throws an error that says what to install, where neither can be loaded
 */
export function loadSqlite<L extends Library>(
  nodeApi: number,
  require: (name: string) => L,
  without13: (why: string) => void = () => {},
): L {
  const reasons: string[] = []
  if (nodeApi >= NODE_API_OF_13) {
    try {
      return tried(require('better-sqlite3-node-api'))
    } catch (error) {
      // It is not installed, or it has no binary for this system. The other one is compiled on every system.
      reasons.push(whyOf(error))
      without13(whyOf(error))
    }
  }
  try {
    return tried(require('better-sqlite3'))
  } catch (cause) {
    const why = [...reasons, whyOf(cause)].join('; ')
    throw new Error(
      `better-sqlite3 cannot be loaded (${why}). Install make, g++ and python3, so that npm can compile it, and run npm ci`,
      { cause },
    )
  }
}

function whyOf(error: unknown): string {
  const [why = ''] = String(error).replaceAll('\n', ' ').split(' Require stack')
  return why
}

/** The library loads its binary when the first database is opened. */
function tried<L extends Library>(loaded: L): L {
  new loaded(':memory:').close()
  return loaded
}
