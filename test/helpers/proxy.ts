import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * How a connection ends: `drop` closes both sides in order, `reset` resets both, `stall` passes nothing on
 * for a second and then resets the client, while the server's side stays open and silent: dead without a FIN.
 */
export type Fault = 'drop' | 'reset' | 'stall'

const STALL_MS = 1_000

/** A TCP proxy on a port of its own whose connections fail when they are told to. */
export class CuttingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #faults: { fault: Fault; afterBytes: number }[] = []
  #failed = 0
  #connections = 0

  private constructor(targetPort: number) {
    this.#server = createServer((client) => {
      this.#connections += 1
      this.#join(client, connect(targetPort, '127.0.0.1'))
    })
  }

  static async open(targetPort: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the proxy is closed')
    return address.port
  }

  /** How many connections failed so far. */
  get failed(): number {
    return this.#failed
  }

  /** How many connections were made so far. */
  get connections(): number {
    return this.#connections
  }

  /** Has one connection fail that brought so many bytes; faults take their turn in the order they were asked. */
  fail(fault: Fault, afterBytes: number): void {
    this.#faults.push({ fault, afterBytes })
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(client: Socket, target: Socket): void {
    for (const socket of [client, target]) {
      this.#sockets.add(socket)
      // What dies here was told to, or its other side hears of it by 'close'.
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
    }
    let passed = 0
    client.on('data', (part) => {
      passed += part.length
      const [next] = this.#faults
      if (next && passed >= next.afterBytes) {
        this.#faults.shift()
        this.#break(next.fault, client, target)
      } else if (!target.write(part)) client.pause()
    })
    target.on('drain', () => client.resume()).on('data', (part) => client.write(part))
    client.on('close', () => target.destroy())
    target.on('close', () => client.destroy())
  }

  #break(fault: Fault, client: Socket, target: Socket): void {
    this.#failed += 1
    for (const socket of [client, target])
      socket.removeAllListeners('data').removeAllListeners('drain').pause()
    if (fault === 'drop') {
      target.end()
      client.end()
      client.destroy()
    } else if (fault === 'reset') {
      target.resetAndDestroy()
      client.resetAndDestroy()
    } else {
      client.removeAllListeners('close')
      setTimeout(() => client.resetAndDestroy(), STALL_MS).unref()
    }
  }
}
