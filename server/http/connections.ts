import type { Socket } from 'node:net'
import { UploadError } from '../errors.js'
import type { HeaderFields } from '../model/answer.js'
import { Connection, type ConnectionTools, closeGently, type Doing } from './connection.js'
import type { Exchange } from './exchange.js'
import { rawRefusalOf } from './refusal.js'
import { Turns } from './turns.js'

const FIRST_BYTE_WITHIN_MS = 10_000
/** What may be in memory of requests that are not being served, all connections together. */
const MOST_UNSERVED_BYTES = 4 * 1024 * 1024
/** With more in memory heads are parsed at once: a read behind a head that waits for its turn may hold 64 KiB of a body. */
const MOST_BEFORE_TURNS_BYTES = 2 * 1024 * 1024
/** So many connections beyond the limit get a 503 at once; the others are closed without an answer. */
const MOST_REFUSED_AT_ONCE = 32

/** The order in which connections are closed when there are too many. One that is being served is never closed. */
const EXPENDABLE = ['silent', 'idle', 'head'] as const
/** A client that has just connected, or got an answer, may be about to send: it is closed after all others. */
const SPARED_MS = 1_000

export interface ConnectionsOptions {
  readonly limit: number
  /** Bodies of which so much is to come take the lane; Infinity for none. */
  readonly laneFromBytes: number
  readonly serve: (exchange: Exchange) => Promise<void>
  /** Headers of the answer to what is not a request. */
  readonly headers: HeaderFields
  /** Called with the bytes of each read, so that their buffers are collected in time. */
  readonly received: (bytes: number) => void
  readonly log: { error(fields: object, message: string): void }
}

/** All connections: their limit, their memory, and what was at fault in them. */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #turns = new Turns()
  readonly #tools: ConnectionTools
  readonly #all = new Map<object, Connection>()
  /** Connections by what they do, the one that has done so for longest first. */
  readonly #doing: Readonly<Record<Doing, Set<Connection>>> = {
    silent: new Set(),
    idle: new Set(),
    head: new Set(),
    busy: new Set(),
  }
  readonly #unserved = new Map<Connection, number>()
  readonly #refused = new Set<Socket>()
  #unservedBytes = 0
  #isClosing = false
  #faults = 0

  constructor(options: ConnectionsOptions) {
    this.#options = options
    // One object for all connections: each of its functions would cost 64 bytes a connection.
    this.#tools = {
      laneFromBytes: options.laneFromBytes,
      serve: options.serve,
      mayParse: () => this.#turns.mayParse() || this.#unservedBytes > MOST_BEFORE_TURNS_BYTES,
      takeTurn: (who, begin) => this.#turns.take(who, begin),
      leaveTurns: (who) => this.#turns.leave(who),
      received: options.received,
      changed: (connection) => this.#changed(connection),
      fault: (error) => this.#fault(error),
      headers: options.headers,
    }
  }

  get open(): number {
    return this.#all.size
  }

  get limit(): number {
    return this.#options.limit
  }

  /** Requests whose connection ended because our own code threw. */
  get faults(): number {
    return this.#faults
  }

  /** Adds a connection. At the limit one that brings nothing is closed for it; where there is none, it is refused. */
  add(socket: Socket): void {
    if (this.#isClosing) return void socket.destroy()
    if (this.#all.size >= this.#options.limit && !this.evict()) return void this.#refuse(socket)
    const connection = new Connection(socket, FIRST_BYTE_WITHIN_MS, this.#tools)
    this.#all.set(socket, connection)
    this.#doing.silent.add(connection)
    socket.on('close', () => this.#remove(connection))
  }

  /** The connection of a socket; undefined for one that was refused. */
  of(socket: object): Connection | undefined {
    return this.#all.get(socket)
  }

  /** Ends the connection that has brought nothing for longest. Returns false where all are being served. */
  evict(): boolean {
    const oldest = EXPENDABLE.flatMap((doing) => this.#doing[doing].values().next().value ?? [])
    const first = oldest.find(({ forMs }) => forMs > SPARED_MS) ?? oldest.sort((a, b) => b.forMs - a.forMs)[0]
    if (!first) return false
    first.cut()
    this.#remove(first)
    return true
  }

  /** Our own code threw in a listener for this socket: its connection ends, and no other. */
  fail(socket: Socket, error: unknown): void {
    const connection = this.#all.get(socket)
    if (connection) return void connection.fail(error)
    socket.destroy()
    this.#fault(error)
  }

  /** Ends connections that bring nothing, and each other one after the request that it is serving. */
  close(): void {
    this.#isClosing = true
    for (const connection of this.#all.values()) connection.close()
  }

  /** Resolves when no request is being served. */
  async served(): Promise<void> {
    await Promise.all([...this.#doing.busy].map((connection) => connection.serving))
  }

  /** Ends every connection where it stands. */
  cut(): void {
    for (const connection of this.#all.values()) connection.cut()
    for (const socket of this.#refused) socket.destroy()
  }

  #fault(error: unknown): void {
    this.#faults += 1
    this.#options.log.error({ err: error }, 'a fault in a request; its connection was ended')
  }

  #refuse(socket: Socket): void {
    if (this.#refused.size >= MOST_REFUSED_AT_ONCE) return void socket.destroy()
    this.#refused.add(socket)
    socket.on('close', () => this.#refused.delete(socket))
    // Its requests are not parsed.
    socket.removeAllListeners('data')
    socket.on('data', () => {})
    closeGently(socket, rawRefusalOf(new UploadError('connections_full'), this.#options.headers))
  }

  #changed(connection: Connection): void {
    if (this.#all.get(connection.socket) !== connection) return
    const now = this.#doing[connection.doing]
    if (!now.has(connection)) {
      for (const set of Object.values(this.#doing)) set.delete(connection)
      now.add(connection)
    }
    this.#count(connection, connection.unservedBytes)
    if (this.#unservedBytes > MOST_UNSERVED_BYTES) this.#cutLargest()
  }

  #count(connection: Connection, bytes: number): void {
    this.#unservedBytes += bytes - (this.#unserved.get(connection) ?? 0)
    if (bytes > 0) this.#unserved.set(connection, bytes)
    else this.#unserved.delete(connection)
  }

  /** Of equal ones the latest, which has not been parsed yet. */
  #cutLargest(): void {
    let [largest, most]: [Connection | undefined, number] = [undefined, 0]
    for (const [connection, bytes] of this.#unserved) {
      if (bytes >= most) [largest, most] = [connection, bytes]
    }
    if (!largest) return
    largest.cut()
    this.#remove(largest)
  }

  #remove(connection: Connection): void {
    if (this.#all.get(connection.socket) !== connection) return
    this.#count(connection, 0)
    for (const set of Object.values(this.#doing)) set.delete(connection)
    this.#all.delete(connection.socket)
  }
}
