import { type Config, ConfigError } from './config.js'

// Each connection costs some kilobytes of memory, used or not.
const MOST_CONNECTIONS = 1_000
const LEAST_CONNECTIONS = 16
// Files beside connections: Node and the database have about 30 at rest; folders, sidecars and joining the rest.
const OWN_FILES = 96
const FILES_A_SLOT = 2
// Connections to the receiver of hooks: so many ask, and as many tell.
const FILES_OF_HOOKS = 128
// Told that all connections are taken, and closed.
const REFUSED_AT_ONCE = 32

/**
 * How many connections there may be beside the files that uploads, downloads and the database need.
 * Throws ConfigError where more are asked for than the process may have.
 */
export function connectionLimit(
  config: Pick<Config, 'connections' | 'slots' | 'downloads' | 'hooksHttp' | 'eventStreams'>,
  openFiles: number,
): number {
  const { connections, slots, downloads, hooksHttp, eventStreams } = config
  const files = OWN_FILES + (hooksHttp === null ? 0 : FILES_OF_HOOKS)
  const reserve = files + slots * FILES_A_SLOT + downloads + REFUSED_AT_ONCE
  const room = Math.max(LEAST_CONNECTIONS, openFiles - reserve)
  if (connections === 'auto') return Math.min(MOST_CONNECTIONS + eventStreams, room)
  if (connections <= room) return connections
  throw new ConfigError(
    `connections is ${connections} but ulimit -n (${openFiles}) leaves room for ${room} only`,
  )
}

/** How many of the connections may be event streams: what is left are a hundred connections, or half of them. */
export function streamLimit({
  connections,
  eventStreams,
}: {
  connections: number
  eventStreams: number
}): number {
  return Math.min(eventStreams, Math.max(connections - 100, Math.floor(connections / 2)))
}
