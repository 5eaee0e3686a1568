import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Feed } from '../../server/http/feed.js'
import { fakeRequest } from '../helpers/fake-exchange.js'

/** Empty lines stand before requests, and in bodies. */
const REQUESTS = [
  '\r\nPUT /1 HTTP/1.1\r\nContent-Length: 12\r\n\r\n',
  '\r\n\r\nGET\n\nab\r\n',
  'GET /2 HTTP/1.1\r\n\r\n',
  '\n\r\n',
  'PUT /3 HTTP/1.1\r\nContent-Length: 1\r\n\r\n',
  '\n',
  '\r\n',
  'GET /4 HTTP/1.1\r\nA: b\r\n\r\n',
].join('')

/** Stands in Node's place: parses what it is handed, and notes each slice that goes on behind a head or a body. */
class FakeParser {
  readonly socket = new Socket()
  readonly feed: Feed
  readonly crossing: string[] = []
  requests = 0
  #head = ''
  #request: IncomingMessage | undefined
  #bodyBytes = 0

  constructor() {
    this.socket.on('data', (slice: Buffer) => this.#parse(slice.toString('latin1')))
    const nothing = (): void => {}
    const fail = (error?: unknown): void => assert.unreachable(`${error}`)
    this.feed = new Feed(this.socket, {
      ...{ laneFromBytes: Infinity, isFull: () => false, received: nothing, came: nothing, counted: nothing },
      ...{ mayParse: () => true, takeTurn: (goOn) => goOn(), overflowed: fail, threw: fail },
    })
  }

  #parse(slice: string): void {
    for (const [at, byte] of [...slice].entries()) {
      if (!(this.#request ? this.#endsBody() : this.#endsHead(byte))) continue
      if (at + 1 < slice.length) this.crossing.push(slice)
    }
  }

  #endsHead(byte: string): boolean {
    if (this.#head === '' && (byte === '\r' || byte === '\n')) return false
    this.#head += byte
    if (!this.#head.endsWith('\r\n\r\n')) return false
    this.#bodyBytes = Number(/Content-Length: (\d+)/.exec(this.#head)?.[1] ?? 0)
    this.#head = ''
    this.requests += 1
    const request = fakeRequest('PUT', '/', { 'content-length': String(this.#bodyBytes) })
    this.feed.began(request, false)
    request.complete = this.#bodyBytes === 0
    if (!request.complete) this.#request = request
    return true
  }

  #endsBody(): boolean {
    this.#bodyBytes -= 1
    if (this.#bodyBytes > 0 || !this.#request) return false
    this.#request.complete = true
    this.#request = undefined
    return true
  }
}

test('bytes are cut exactly where a head and a body end, wherever two reads split them', () => {
  const bytes = Buffer.from(REQUESTS, 'latin1')
  for (let first = 1; first < bytes.length; first++) {
    for (let second = first + 1; second <= bytes.length; second++) {
      const parser = new FakeParser()
      for (const piece of [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)])
        parser.socket.emit('data', piece)
      assert.equal(parser.crossing, [], `split at ${first} and ${second}`)
      assert.is(parser.requests, 4)
    }
  }
})

test.run()
