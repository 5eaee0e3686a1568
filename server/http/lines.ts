import type { Socket } from 'node:net'

/** Requests of one connection that may wait for the one before them, as by the listener. */
const MOST_WAITING = 8

/** The requests of one connection. */
interface Line {
  /** Resolves when the last of them has been served. */
  last: Promise<void>
  length: number
  /** The connection is beyond the limit: it gets one refusal, and closes. */
  readonly isOver: boolean
}

/** The connections of an application that have requests here: those of one are served one behind the other. */
export class Lines {
  readonly #limit: number
  readonly #lineOf = new Map<Socket, Line>()
  #open = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Connections with a request here, those beyond the limit not counted. */
  get open(): number {
    return this.#open
  }

  /**
   * Calls `serve` at the turn of a request, with whether its connection is beyond the limit, and resolves as that does.
   * `serve` must never reject. Undefined where too many requests of the connection wait already.
   */
  add(socket: Socket, serve: (isOver: boolean) => Promise<void>): Promise<void> | undefined {
    const line = this.#lineOf.get(socket) ?? this.#begin(socket)
    if (line.length > MOST_WAITING) return undefined
    line.length += 1
    const serveNow = (): Promise<void> => serve(line.isOver)
    const serving = line.length > 1 ? line.last.then(serveNow) : serveNow()
    line.last = serving.then(() => this.#leave(socket, line))
    return line.last
  }

  #begin(socket: Socket): Line {
    const line = { last: Promise.resolve(), length: 0, isOver: this.#open >= this.#limit }
    this.#lineOf.set(socket, line)
    if (!line.isOver) this.#open += 1
    return line
  }

  #leave(socket: Socket, line: Line): void {
    line.length -= 1
    if (line.length > 0) return
    this.#lineOf.delete(socket)
    if (!line.isOver) this.#open -= 1
  }
}
