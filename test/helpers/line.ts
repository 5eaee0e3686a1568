import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** The start of an answer that passed the line. */
export interface PassedAnswer {
  readonly status: number
  /** By `performance.now()`. */
  readonly atMs: number
  /** How many bytes had gone to the server by then. */
  readonly sentBytes: number
}

/**
 * A line to a server, on a port of its own: it can be slow, it counts, and it can be down for a while.
 * All connections share its rate.
 */
export class Line {
  /** Bytes per second towards the server. */
  rate = Number.POSITIVE_INFINITY
  readonly answers: PassedAnswer[] = []
  #sentBytes = 0
  #refused = 0
  #isDown = false
  #freeAtMs = 0
  readonly #server: Server
  readonly #clients = new Set<Socket>()
  readonly #targets = new Set<Socket>()

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      if (this.#isDown) this.#refuse(client)
      else this.#join(client, connect(targetPort, '127.0.0.1'))
    })
  }

  static async open(targetPort: number): Promise<Line> {
    const line = new Line(targetPort)
    line.#server.listen(0, '127.0.0.1')
    await once(line.#server, 'listening')
    return line
  }

  get port(): number {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the line is closed')
    return address.port
  }

  /** All bytes that came from clients and went on to the server. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /** How many connections were tried while it was down. */
  get refused(): number {
    return this.#refused
  }

  /** Where a server stands by this line. */
  urlOf(server: { readonly url: string }): string {
    const url = new URL(server.url)
    url.port = String(this.port)
    return url.href
  }

  /**
   * Resets the clients and takes no more of them. The server's side stays open and silent, as when a cable
   * is drawn: nobody tells it.
   */
  down(): void {
    this.#isDown = true
    for (const client of this.#clients) client.resetAndDestroy()
  }

  /** Takes clients again. */
  up(): void {
    this.#isDown = false
  }

  close(): void {
    this.#server.close()
    for (const socket of [...this.#clients, ...this.#targets]) socket.destroy()
  }

  #refuse(client: Socket): void {
    this.#refused += 1
    client.on('error', () => {}).resetAndDestroy()
  }

  #join(client: Socket, target: Socket): void {
    keep(this.#clients, client)
    keep(this.#targets, target)
    let freeAtMs = 0
    const readOn = (): void => {
      if (target.writableNeedDrain) return
      const waitMs = freeAtMs - Date.now()
      if (waitMs > 0) setTimeout(readOn, waitMs)
      else client.resume()
    }
    client.on('data', (part) => {
      this.#sentBytes += part.length
      freeAtMs = this.#charge(part.length)
      if (target.write(part) && freeAtMs <= Date.now()) return
      client.pause()
      readOn()
    })
    target.on('drain', readOn).on('data', (part) => {
      this.#note(part)
      client.write(part)
    })
    client.on('close', () => void (this.#isDown || target.destroy()))
    target.on('close', () => client.destroy())
  }

  /** Books bytes on the line, and tells when it is free again. */
  #charge(bytes: number): number {
    this.#freeAtMs = Math.max(Date.now(), this.#freeAtMs) + (bytes / this.rate) * 1_000
    return this.#freeAtMs
  }

  #note(part: Buffer): void {
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(part.subarray(0, 16).toString('latin1')) ?? []
    if (status === undefined) return
    this.answers.push({ status: Number(status), atMs: performance.now(), sentBytes: this.#sentBytes })
  }
}

function keep(set: Set<Socket>, socket: Socket): void {
  set.add(socket)
  // What dies here was told to, or its other side hears of it by 'close'.
  socket.on('error', () => {}).on('close', () => set.delete(socket))
}
