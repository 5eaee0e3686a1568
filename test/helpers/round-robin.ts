import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

const HEAD_END = '\r\n\r\n'

/**
 * A proxy that gives each connection to the next node; with `eachRequest` each request, as it lets a connection have
 * one request only. Bytes pass as they are: the nodes see the address that the client used in `Host`.
 */
export class RoundRobin {
  /** The ports of the nodes. A test may change them; connections that are open stay where they are. */
  ports: readonly number[]
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #eachRequest: boolean
  #turn = 0
  #last = 0

  private constructor(ports: readonly number[], eachRequest: boolean) {
    this.ports = ports
    this.#eachRequest = eachRequest
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#take(client))
  }

  /** Opens a proxy on a free port. */
  static async open(ports: readonly number[], eachRequest: boolean): Promise<RoundRobin> {
    const proxy = new RoundRobin(ports, eachRequest)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the proxy is closed')
    return address.port
  }

  /** The index of the node that got the last connection. */
  get last(): number {
    return this.#last
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #take(client: Socket): void {
    this.#keep(client)
    if (this.#eachRequest) this.#readHead(client)
    else this.#connect(client, Buffer.alloc(0), this.ports.length)
  }

  #readHead(client: Socket): void {
    let head = ''
    const read = (part: Buffer): void => {
      head += part.toString('latin1')
      const end = head.indexOf(HEAD_END)
      if (end < 0) return
      client.pause().off('data', read)
      const lines = head.slice(0, end).replaceAll(/\r\nConnection:[^\r]*/gi, '')
      const rest = head.slice(end + HEAD_END.length)
      const first = Buffer.from(`${lines}\r\nConnection: close${HEAD_END}${rest}`, 'latin1')
      this.#connect(client, first, this.ports.length)
    }
    client.on('data', read).resume()
  }

  /** Joins a client with the next node that takes connections. */
  #connect(client: Socket, first: Buffer, triesLeft: number): void {
    if (triesLeft === 0) return void client.resetAndDestroy()
    this.#last = this.#turn % this.ports.length
    this.#turn += 1
    const node = connect({ port: this.ports[this.#last] ?? 0, host: '127.0.0.1', allowHalfOpen: true })
    this.#keep(node)
    const refused = (): void => this.#connect(client, first, triesLeft - 1)
    node.once('error', refused).once('connect', () => {
      node.off('error', refused)
      if (first.length > 0) node.write(first)
      client.pipe(node).pipe(client)
      ends(client, node)
      ends(node, client)
    })
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    // The other side hears of it by 'close'.
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
  }
}

/** What ends one side ends the other in the same way. */
function ends(one: Socket, other: Socket): void {
  one.on('close', (isBroken) => {
    if (isBroken) other.resetAndDestroy()
    else other.destroySoon()
  })
}
