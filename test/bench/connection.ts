import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const BUFFER_BYTES = 2 ** 20

/** Every upload repeats these bytes: the client must cost little, and the same for every server. */
const BUFFER = Buffer.from(Uint8Array.from({ length: BUFFER_BYTES }, (_, i) => (i * 2_654_435_761) >>> 13))

/** The value of Upload-Checksum for a body of so many bytes. */
export function checksumOf(algorithm: string, bodyBytes: number): string {
  const hash = createHash(algorithm)
  for (let left = bodyBytes; left > 0; left -= BUFFER_BYTES) hash.update(BUFFER.subarray(0, left))
  return `${algorithm} ${hash.digest('base64')}`
}

export interface Answer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
}

/** A connection that is kept alive, and opened again if the server has closed it. */
export class Connection {
  readonly #url: URL
  #socket: Socket | undefined
  #received = ''
  #failure: Error | undefined
  /** Called with each piece of an answer, and at the end of the connection. */
  #changed: () => void = () => {}

  constructor(url: string) {
    this.#url = new URL(url)
  }

  async open(): Promise<void> {
    const socket = connect({ host: this.#url.hostname.replace(/^\[|\]$/g, ''), port: Number(this.#url.port) })
    socket.setNoDelay(true)
    this.#received = ''
    this.#failure = undefined
    socket.on('data', (part) => {
      this.#received += part.toString('latin1')
      this.#changed()
    })
    socket.on('error', (error) => {
      this.#failure = error
    })
    socket.on('end', () => this.#changed()).on('close', () => this.#changed())
    await once(socket, 'connect')
    this.#socket = socket
  }

  /** Sends a request with a body of `bodyBytes` and resolves with its answer. */
  async request(line: string, headers: readonly string[], bodyBytes = 0): Promise<Answer> {
    if (!this.#socket || this.#socket.destroyed || this.#socket.readableEnded) await this.open()
    const socket = this.#socket
    if (!socket) throw new Error('no connection')
    const fields = [`${line} HTTP/1.1`, `Host: ${this.#url.host}`, ...headers, `Content-Length: ${bodyBytes}`]
    const head = Buffer.from(`${fields.join('\r\n')}\r\n\r\n`)
    if (bodyBytes <= BUFFER_BYTES) {
      // Both go to the socket in one system call.
      socket.cork()
      socket.write(head)
      socket.write(BUFFER.subarray(0, bodyBytes))
      socket.uncork()
    } else await this.#send(socket, head, bodyBytes)
    const answer = await this.#answer(socket)
    if (answer.headers.get('connection') === 'close') this.close()
    return answer
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  async #send(socket: Socket, head: Buffer, bodyBytes: number): Promise<void> {
    await written(socket, head)
    // An answer before the end of the body is a refusal, so the rest is not sent.
    for (let left = bodyBytes; left > 0 && this.#received === ''; left -= BUFFER_BYTES)
      await written(socket, left < BUFFER_BYTES ? BUFFER.subarray(0, left) : BUFFER)
  }

  async #answer(socket: Socket): Promise<Answer> {
    for (;;) {
      const answer = this.#take()
      if (answer) return answer
      if (socket.destroyed || socket.readableEnded)
        throw new Error(`the connection ended without an answer: ${this.#failure?.message ?? ''}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  #take(): Answer | undefined {
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return undefined
    const [line = '', ...fields] = this.#received.slice(0, end).split('\r\n')
    const headers = new Map(fields.map((field) => splitField(field)))
    const status = Number(line.split(' ')[1])
    const from = end + 4
    const to = status === 204 ? from : bodyEnd(this.#received, from, headers)
    if (to === undefined || this.#received.length < to) return undefined
    this.#received = this.#received.slice(to)
    return status < 200 ? this.#take() : { status, headers }
  }
}

/** Where an answer's body ends; undefined if the end has not arrived yet. */
function bodyEnd(text: string, from: number, headers: ReadonlyMap<string, string>): number | undefined {
  if (headers.get('transfer-encoding') !== 'chunked') return from + Number(headers.get('content-length') ?? 0)
  const last = text.startsWith('0\r\n\r\n', from) ? from : text.indexOf('\r\n0\r\n\r\n', from)
  if (last < 0) return undefined
  return last === from ? from + 5 : last + 7
}

function splitField(field: string): [string, string] {
  const at = field.indexOf(':')
  return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()]
}

function written(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}
