import { SqlError, type SqlProblem } from '../model/sql.js'

/** Classes and codes of PostgreSQL (its manual, appendix A). */
const PROBLEMS: ReadonlyArray<readonly [code: RegExp, problem: SqlProblem]> = [
  // Connection exceptions, too many connections, and shutdowns: by an administrator, after a crash, or while it starts.
  [/^(08|53300|57P)/, 'gone'],
  // A deadlock or a conflict of transactions is over when it is reported, and the next try succeeds.
  [/^(55P03|40)/, 'locked'],
  [/^57014/, 'slow'],
]

/** Codes of the system that say that nobody answers at the address. */
const UNREACHABLE = /^(ECONN|EPIPE|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|ENOENT|EADDRNOTAVAIL)/

/** The client's own errors, which have no code. */
const CLIENT_SLOW = 'Query read timeout'
const CLIENT_GONE =
  /^(Connection terminated|timeout exceeded when trying to connect|Client (was closed|has)|Cannot use a pool)/

/** The error of a query, with the problem that it is. */
export function sqlError(cause: unknown): SqlError {
  if (cause instanceof SqlError) return cause
  const code = codeOf(cause)
  const message = messageOf(cause)
  return new SqlError(problemOf(code, message), message, {
    cause,
    code: /^[0-9A-Z]{5}$/.test(code) ? code : '',
  })
}

function problemOf(code: string, message: string): SqlProblem {
  if (UNREACHABLE.test(code) || CLIENT_GONE.test(message)) return 'gone'
  if (message === CLIENT_SLOW) return 'slow'
  return PROBLEMS.find(([pattern]) => pattern.test(code))?.[1] ?? 'failing'
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  return typeof code === 'string' ? code : ''
}

/** Where every address of a host refuses, Node gives an error without a message that has theirs. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!(error instanceof AggregateError) || error.message !== '') return error.message
  return error.errors.map(messageOf).join('; ')
}

/** Tells whether PostgreSQL has answered with this error, so that its connection can be used again. */
export function isAnswer({ problem, code }: SqlError): boolean {
  return code !== '' && problem !== 'gone'
}
