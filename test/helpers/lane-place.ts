import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Exchange } from '../../server/http/exchange.js'
import { isLent, lendTo } from '../../server/http/lane.js'
import { Listener } from '../../server/http/listener.js'
import type { Script } from './lane-requests.js'

/** What a client sees of a connection, and what the server was given of its requests. */
export interface Account {
  readonly answers: string
  /** The server had not closed it when all answers were there. */
  readonly isOpen: boolean
  readonly requests: readonly string[]
}

/** A server's HTTP layer, with handlers that read bodies in different ways and note what they get. */
export class LanePlace {
  readonly #listener: Listener
  readonly #port: number
  readonly #requests = new Map<number, string[]>()
  /** Requests so far. */
  served = 0
  /** Bytes that came by a lane. */
  lentBytes = 0
  /** Bodies that were stopped to be read while a lane brought them. */
  pausedLent = 0

  private constructor(listener: Listener, port: number) {
    this.#listener = listener
    this.#port = port
  }

  static async open(laneFromBytes: number): Promise<LanePlace> {
    let place: LanePlace | undefined
    const listener = new Listener(async (exchange) => place?.serve(exchange), {
      ...{ laneFromBytes, headers: {}, limit: 10_000, keepAliveMs: 60_000, received: () => {} },
      log: { error: () => {} },
    })
    const { port } = await listener.listen('127.0.0.1', 0)
    place = new LanePlace(listener, port)
    return place
  }

  /** Faults of our own so far. */
  get faults(): number {
    return this.#listener.connections.faults
  }

  close(): Promise<void> {
    this.#listener.refuseNew()
    return this.#listener.close(0)
  }

  /** Plays a script on a connection of its own; what has not come after `quietMs` without a byte does not come. */
  async play({ pieces }: Script, quietMs: number): Promise<Account> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    let answers = ''
    let isOver = false
    let changed = (): void => {}
    socket.setEncoding('latin1').on('data', (part: string) => {
      answers += part
      changed()
    })
    socket
      .on('error', () => {})
      .on('close', () => {
        isOver = true
        changed()
      })
    socket.on('end', () => {
      isOver = true
    })
    await once(socket, 'connect')
    const port = socket.localPort ?? 0
    const requests: string[] = []
    this.#requests.set(port, requests)
    for (const piece of pieces) {
      if (isOver) break
      await written(socket, piece)
    }
    // The last answer ends with its path.
    while (!isOver && !answers.endsWith('/last')) {
      const isQuiet = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), quietMs)
        changed = () => {
          clearTimeout(timer)
          resolve(false)
        }
      })
      if (isQuiet) break
    }
    const isOpen = !isOver
    socket.destroy()
    if (!socket.closed) await once(socket, 'close')
    this.#requests.delete(port)
    return { answers: answers.replaceAll(/^Date: .*$/gm, 'Date:'), isOpen, requests: [...requests] }
  }

  async serve(exchange: Exchange): Promise<void> {
    this.served += 1
    const { request } = exchange
    const { method = '', url = '', rawHeaders } = request
    const notes = this.#requests.get(request.socket.remotePort ?? 0) ?? []
    const note = notes.push('') - 1
    const seen = `${method} ${url} ${exchange.expects} ${JSON.stringify(rawHeaders)}`
    const answer = (text: string): void => {
      notes[note] = `${seen} ${text}`
      const headers = url === '/closing' ? { Connection: 'close' } : {}
      exchange.send({ status: url === '/refused' ? 413 : 200, headers, text: `${text} ${url}` })
    }
    if (url === '/refused') return void answer('refused')
    const most = url === '/some' ? 100 : Number.POSITIVE_INFINITY
    lendTo({ roomBytes: 0 }, request)
    exchange.askForBody()
    await new Promise<void>((resolve) => {
      const hash = createHash('sha256')
      let bytes = 0
      let chunks = 0
      const take = (chunk: Buffer): void => {
        if (isLent(chunk)) this.lentBytes += chunk.length
        const part = chunk.subarray(0, most - bytes)
        hash.update(part)
        bytes += part.length
        notes[note] = `${seen} unfinished`
        if (bytes === most) return void end()
        // At each chunk, what is read ahead would wait in the stream and no lane could hand over anything.
        if (url !== '/pausing' || ++chunks % 3 !== 0) return
        if (isLent(chunk)) this.pausedLent += 1
        request.pause()
        setImmediate(() => setImmediate(() => request.resume()))
      }
      const end = (): void => {
        request.off('data', take).off('end', end)
        request.pause()
        answer(`${bytes} ${hash.digest('hex')}`)
        resolve()
      }
      request.on('data', take).on('end', end).on('close', resolve)
    })
  }
}

/** Resolves in a later turn, so that the server reads each piece by itself. */
async function written(socket: Socket, piece: Buffer): Promise<void> {
  // Called with the error, too, once the socket has ended.
  await new Promise<void>((resolve) => {
    socket.write(piece, () => resolve())
  })
  await new Promise((resolve) => setImmediate(resolve))
}
