import type { IncomingMessage, ServerResponse } from 'node:http'
import type { UploadError } from '../errors.js'
import type { Answer, HeaderFields } from '../model/answer.js'
import { sendAnswer } from './answer.js'
import { refusalOf } from './refusal.js'

/** What the Expect header of a request asks for: nothing, `100 Continue`, or what no server here can do. */
export type Expectation = 'nothing' | 'continue' | 'unknown'

/** One HTTP request and its response. */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly expects: Expectation
  #hasContinued = false
  #refusal: string | null = null

  constructor(request: IncomingMessage, response: ServerResponse, expects: Expectation = 'nothing') {
    this.request = request
    this.response = response
    this.expects = expects
  }

  /** The code word of the error that is answered; null for none. */
  get refusal(): string | null {
    return this.#refusal
  }

  /** Sends `100 Continue` to a sender that waits for it before its body. */
  askForBody(): void {
    if (this.expects !== 'continue' || this.#hasContinued) return
    this.#hasContinued = true
    this.response.writeContinue()
  }

  /** Aborts when the connection ends. */
  gone(): AbortSignal {
    const gone = new AbortController()
    this.response.once('close', () => gone.abort())
    if (this.response.closed) gone.abort()
    return gone.signal
  }

  /** Sends an answer, also while the body still comes; see sendAnswer. */
  send(answer: Answer): void {
    sendAnswer(this.request, this.response, answer)
  }

  /** The answer for an error. */
  refusalOf(error: UploadError, headers: HeaderFields): Answer {
    this.#refusal = error.code
    // A sender that waited for 100 Continue and is refused may keep its body: the connection cannot be used again.
    const isBodyWithheld = this.expects !== 'nothing' && !this.#hasContinued
    return refusalOf(error, isBodyWithheld ? { ...headers, Connection: 'close' } : headers)
  }

  /** Ends the connection without an answer. */
  cut(): void {
    this.request.socket.destroy()
  }
}
