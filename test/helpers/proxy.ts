import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * How a connection ends: `drop` closes both sides in order, `reset` resets both, `stall` passes nothing on
 * for a second and then resets the client, while the server's side stays open and silent: dead without a FIN.
 * `silence` passes nothing on until the server ends the connection.
 */
export type Fault = 'drop' | 'reset' | 'stall' | 'silence'

interface Planned {
  readonly fault: Fault
  /** What a connection brings before it fails, or the answer of which only half arrives. */
  readonly at: number | RegExp
}

const STALL_MS = 1_000

/** A TCP proxy on a port of its own whose connections fail when they are told to. */
export class CuttingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #faults: Planned[] = []
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

  /** How many faults have yet to happen. */
  get outstanding(): number {
    return this.#faults.length
  }

  /** Has one connection fail that brought so many bytes; faults take their turn in the order they were asked. */
  fail(fault: Fault, afterBytes: number): void {
    this.#faults.push({ fault, at: afterBytes })
  }

  /** Has one connection fail in the middle of the first answer like `pattern`, once the faults before it happened. */
  failAnswer(fault: Fault, pattern: RegExp): void {
    this.#faults.push({ fault, at: pattern })
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
      if (typeof next?.at === 'number' && passed >= next.at) {
        this.#faults.shift()
        this.#break(next.fault, client, target)
      } else if (!target.write(part)) client.pause()
    })
    target.on('drain', () => client.resume())
    target.on('data', (part) => {
      const [next] = this.#faults
      if (next?.at instanceof RegExp && next.at.test(part.toString('latin1'))) {
        this.#faults.shift()
        client.write(part.subarray(0, part.length / 2))
        this.#break(next.fault, client, target)
      } else client.write(part)
    })
    client.on('close', () => target.destroy())
    target.on('close', () => client.destroy())
  }

  #break(fault: Fault, client: Socket, target: Socket): void {
    this.#failed += 1
    for (const socket of [client, target])
      socket.removeAllListeners('data').removeAllListeners('drain').pause()
    if (fault === 'drop') {
      target.end()
      client.destroySoon()
    } else if (fault === 'reset') {
      target.resetAndDestroy()
      client.resetAndDestroy()
    } else if (fault === 'silence') {
      // Its end is heard only while it is read.
      target.resume()
    } else {
      client.removeAllListeners('close')
      setTimeout(() => client.resetAndDestroy(), STALL_MS).unref()
    }
  }
}
