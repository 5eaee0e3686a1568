import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Exchange, type Expectation } from '../../server/http/exchange.js'
import type { Answer } from '../../server/model/answer.js'

/** A request with this method, target and these headers (names in lower case), on a socket that is not connected. */
export function fakeRequest(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  const version = { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1 }
  return Object.assign(request, { method, url, headers: { host: 'lading.test', ...headers }, ...version })
}

/** An exchange that keeps its answer instead of sending it. */
export class FakeExchange extends Exchange {
  readonly sent: Answer[] = []
  isCut = false

  constructor(request: IncomingMessage, expects: Expectation = 'nothing') {
    super(request, new ServerResponse(request), expects)
  }

  override send(answer: Answer): void {
    this.sent.push(answer)
  }

  override cut(): void {
    this.isCut = true
  }
}
