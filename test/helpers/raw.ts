import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { bounded } from './test.js'

const ANSWER_WITHIN_MS = 30_000

export interface RawAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
}

/** A socket on which a test writes HTTP by hand: doubled headers, broken chunks, bodies that stop. */
export class RawConnection {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #closed = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (part) => {
      this.#received = Buffer.concat([this.#received, part])
    })
    // The tests look at what was answered before; a reset is one of the ways a server may end.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
    })
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1')
    const connection = new RawConnection(socket)
    await bounded(ANSWER_WITHIN_MS, once(socket, 'connect'), 'the connection')
    return connection
  }

  /** Writes text or bytes and resolves when the system has taken them. */
  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(data, () => resolve())
    })
  }

  /** Writes a request's head: the request line and headers, with the empty line. */
  head(line: string, headers: readonly string[] = []): Promise<void> {
    // Without an admin key the API answers only to who names this machine.
    const host = line.includes(' /api/') ? 'localhost' : 'lading.test'
    return this.write(`${[`${line} HTTP/1.1`, `Host: ${host}`, ...headers].join('\r\n')}\r\n\r\n`)
  }

  /**
   * The next whole answer, to HEAD one without a body; informational ones are answers too. Fails when the
   * connection ends first.
   */
  async answer(withinMs = ANSWER_WITHIN_MS, isHead = false): Promise<RawAnswer> {
    for (;;) {
      const whole = this.#take(isHead)
      if (whole) return whole
      if (this.#closed) throw new Error(`the connection ended with no answer: ${this.#received}`)
      await bounded(withinMs, firstOf(this.socket, 'data', 'close'), 'an answer')
    }
  }

  /** Resolves when the server has closed the connection. */
  async closed(withinMs = ANSWER_WITHIN_MS): Promise<void> {
    if (!this.#closed) await bounded(withinMs, firstOf(this.socket, 'close'), 'the end of the connection')
  }

  /** Cuts the connection with a reset. */
  cut(): void {
    this.socket.resetAndDestroy()
  }

  #take(isHead: boolean): RawAnswer | undefined {
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return undefined
    const [line = '', ...fields] = this.#received.subarray(0, end).toString('latin1').split('\r\n')
    const headers = new Map(fields.map((field) => splitField(field)))
    const status = Number(line.split(' ')[1])
    const bodyBytes =
      isHead || status < 200 || status === 204 ? 0 : Number(headers.get('content-length') ?? 0)
    if (this.#received.length < end + 4 + bodyBytes) return undefined
    const text = this.#received.subarray(end + 4, end + 4 + bodyBytes).toString()
    this.#received = this.#received.subarray(end + 4 + bodyBytes)
    return { status, headers, text }
  }
}

function splitField(field: string): [string, string] {
  const at = field.indexOf(':')
  return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()]
}

/** Resolves at the first of these events. `once` would reject at a reset, which is one of the ways to close. */
export function firstOf(socket: Socket, ...events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    for (const event of events) socket.once(event, () => resolve())
  })
}
