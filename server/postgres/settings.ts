import type { ClientConfig } from 'pg'

/** How long a connection may take to be made, or to become free. */
const CONNECT_WITHIN_MS = 5_000
/** PostgreSQL ends a query, or a wait for another's lock, after this time. */
const QUERY_WITHIN_MS = 5_000
const LOCK_WITHIN_MS = 2_000
/** For a network that swallows everything: the client gives up a moment after PostgreSQL would have. */
const ANSWER_WITHIN_MS = 6_000
/** PostgreSQL ends a transaction whose client says nothing for so long, as a stopped process does. */
const IDLE_WITHIN_MS = 10_000

/**
 * Asked on each new connection, because a pooler such as PgBouncer refuses parameters in the greeting. A server that is
 * turned into a standby must not be written, and says so by itself.
 */
export const FIRST_QUERY = `SET statement_timeout = ${QUERY_WITHIN_MS};
  SET lock_timeout = ${LOCK_WITHIN_MS};
  SET idle_in_transaction_session_timeout = ${IDLE_WITHIN_MS};
  SET client_min_messages = warning`

/** The oid of PostgreSQL's `bigint`, which `pg` gives as a text otherwise. */
const BIGINT = 20

/** What every connection to the database of a URL has. */
export function connectionSettings(url: string, getTypeParser: GetTypeParser): ClientConfig {
  return {
    connectionString: url,
    application_name: 'lading',
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    query_timeout: ANSWER_WITHIN_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
    types: {
      getTypeParser: (oid, format) => (oid === BIGINT ? Number : getTypeParser(oid, format)),
    },
  }
}

type GetTypeParser = NonNullable<ClientConfig['types']>['getTypeParser']

/** A URL's host, port and database, without its user and password. */
export function placeOf(url: string): string {
  const { hostname, port, pathname, searchParams } = new URL(url)
  const host = hostname === '' ? (searchParams.get('host') ?? 'localhost') : hostname
  return `postgres://${host}${port === '' ? '' : `:${port}`}${pathname}`
}
