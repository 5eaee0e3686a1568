import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Answer, takeAnswer } from './answer.js'

const CONNECT_WITHIN_MS = 10_000

/** A socket on which requests are written byte by byte: nothing is added, put in order or corrected. */
export class Connection {
  readonly #socket: Socket
  #received: Buffer = Buffer.alloc(0)
  #ended = false
  #error: Error | undefined
  #changed = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (part: Buffer) => {
      this.#received = Buffer.concat([this.#received, part])
      this.#changed()
    })
    socket.on('error', (error) => {
      this.#error = error
    })
    for (const event of ['end', 'close'] as const) {
      socket.on(event, () => {
        this.#ended = true
        this.#changed()
      })
    }
  }

  /** Connects to the host and port of a URL, with TLS where its scheme says so. */
  static async open(url: URL): Promise<Connection> {
    const secure = url.protocol === 'https:'
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    const port = Number(url.port) || (secure ? 443 : 80)
    const name = isIP(host) === 0 ? { servername: host } : {}
    const socket = secure ? connectTls({ host, port, ...name }) : connectPlain({ host, port })
    const timer = setTimeout(() => socket.destroy(), CONNECT_WITHIN_MS)
    await new Promise<void>((resolve, reject) => {
      socket.once(secure ? 'secureConnect' : 'connect', resolve)
      socket.once('error', (error) => reject(new Error(`no connection to ${url.host}: ${error.message}`)))
      socket.once('close', () => reject(new Error(`no connection to ${url.host}`)))
    }).finally(() => clearTimeout(timer))
    socket.setNoDelay(true)
    return new Connection(socket)
  }

  /** Resolves when the system has taken the bytes, or the connection is gone: the answer tells why. */
  write(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(data, () => resolve())
    })
  }

  /** The next answer to a request of that method; informational ones (1xx) are answers too. */
  async next(method: string, request = method): Promise<Answer> {
    for (;;) {
      const taken = takeAnswer(this.#received, this.#ended, method, request)
      if (taken !== undefined) {
        this.#received = taken.rest
        return taken.answer
      }
      if (this.#ended) throw new Error(this.#ending(request))
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  /** The next answer that is not an informational one. */
  async answer(method: string, request = method): Promise<Answer> {
    for (;;) {
      const answer = await this.next(method, request)
      if (answer.status >= 200) return answer
    }
  }

  /** Resolves when the server has ended the connection. */
  async ended(): Promise<void> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  /** Says that nothing more comes, as a client does that has its answer. */
  end(): void {
    this.#socket.end()
  }

  /** Goes away in the middle of whatever was written. What was written still arrives. */
  close(): void {
    this.#socket.destroy()
  }

  #ending(request: string): string {
    const cause = this.#error === undefined ? '' : ` (${this.#error.message})`
    const received = this.#received.toString('latin1').slice(0, 80)
    const after = received === '' ? '' : `, after ${JSON.stringify(received)}`
    return `${request} → the connection ended without a whole answer${cause}${after}`
  }
}
