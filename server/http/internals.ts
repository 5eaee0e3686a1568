import type { Socket } from 'node:net'

/**
 * What Node's HTTP server keeps on a socket, beyond its documentation. With `consume` the parser reads the socket
 * itself, which costs a quarter less CPU; `readStop` stops reading at once, without one more chunk in memory.
 */
export interface Internals {
  readonly parser: { consume(handle: object): void; unconsume(): void; _consumed: boolean }
  readonly handle: { reading: boolean; readStart(): void; readStop(): void }
}

/** Stops reading a socket at once, without one more chunk in memory. */
export function stopReading(socket: Socket): void {
  const handle = handleOf(socket)
  if (!handle?.reading) return
  handle.reading = false
  handle.readStop()
}

/** Reads a socket again. */
export function startReading(socket: Socket): void {
  const handle = handleOf(socket)
  if (!handle || handle.reading) return
  handle.reading = true
  handle.readStart()
}

function handleOf(socket: Socket): Internals['handle'] | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  return isHandle(handle) ? handle : undefined
}

/** What Node's parser needs to read a socket itself; undefined where this Node does not have it. */
export function internalsOf(socket: Socket): Internals | undefined {
  const handle = handleOf(socket)
  const parser: unknown = Reflect.get(socket, 'parser')
  return handle && isParser(parser) ? { handle, parser } : undefined
}

function isHandle(value: unknown): value is Internals['handle'] {
  return has(value, 'readStop') && has(value, 'readStart')
}

function isParser(value: unknown): value is Internals['parser'] {
  return has(value, 'consume') && has(value, 'unconsume')
}

/** Tells whether a value is an object with a method of this name or number. */
export function has(value: unknown, method: string | number): value is object {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'
}
