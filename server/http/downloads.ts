import type { ServerResponse } from 'node:http'
import { asUploadError, isFault, UploadError } from '../errors.js'
import type { Answer, HeaderFields } from '../model/answer.js'
import type { RangeReader } from '../model/engine.js'
import type { FileView } from '../model/file-headers.js'
import type { Principal } from '../model/principal.js'
import { endAnswer } from './answer.js'
import { unchanged } from './conditions.js'
import { type DownloadPlan, planDownload } from './download-plan.js'
import type { Exchange } from './exchange.js'
import { LargePieces, PacedBody } from './paced-body.js'

const NOTHING = { from: 0, to: 0 }

/** The upload a download asks for, who asks, and headers that go with the answer. */
export interface AskedFile {
  readonly id: string
  readonly principal: Principal
  readonly headers: HeaderFields
}

export interface DownloadOptions {
  /**
   * A finished upload; undefined where there is none for this principal, 'unfinished' where it is not whole.
   * Reads no file bytes.
   */
  readonly find: (id: string, principal: Principal) => Promise<FileView | 'unfinished' | undefined>
  /** Begins to read a finished upload's bytes. Rejects with BytesFault MISSING where they are gone. */
  readonly read: (id: string, range: { from: number; to: number }) => Promise<RangeReader>
  /** Downloads at once. */
  readonly limit: number
  /** A reader that takes nothing for so long loses its connection, and we the open file. */
  readonly idleTimeoutMs: number
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void }
}

/** Serves `GET /files/<id>`: a finished file, or ranges of it. */
export class Downloads {
  readonly #options: DownloadOptions
  readonly #large = new LargePieces()
  #taken = 0

  constructor(options: DownloadOptions) {
    this.#options = options
  }

  /** Downloads that run now. */
  get taken(): number {
    return this.#taken
  }

  get limit(): number {
    return this.#options.limit
  }

  /**
   * Sends one file to its end. At the limit the download is refused before the disk is asked. Rejects with an
   * UploadError where nothing was sent; what fails later ends the connection.
   */
  async send(exchange: Exchange, asked: AskedFile): Promise<void> {
    try {
      // A HEAD that says GET by X-HTTP-Method-Override is answered without a body, and so without the file.
      if (exchange.request.method === 'HEAD') {
        const plan = await this.#plan(exchange, asked)
        return this.#describe(exchange, plan.status === 304 ? unchanged(plan.headers) : plan)
      }
      if (this.#taken >= this.limit) throw new UploadError('downloads_full')
      this.#taken += 1
      try {
        await this.#sendFile(exchange, asked)
      } finally {
        this.#taken -= 1
      }
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (isFault(error)) this.#options.log.error({ id: asked.id, err: error }, 'a download failed')
      if (!exchange.response.headersSent) throw error
      // Too late for another status: a reader that got fewer bytes than Content-Length knows that it failed.
      exchange.cut()
    }
  }

  /** Answers without a body: to a HEAD, and to a client that has the file already. */
  #describe({ request, response }: Exchange, { status, headers }: Answer): void {
    response.writeHead(status, headers)
    response.flushHeaders()
    endAnswer(request, response)
  }

  async #sendFile(exchange: Exchange, asked: AskedFile): Promise<void> {
    const plan = await this.#plan(exchange, asked)
    if (plan.status === 304) return this.#describe(exchange, unchanged(plan.headers))
    const { request, response } = exchange
    const [{ from, to } = NOTHING] = plan.parts
    const reader = await this.#options.read(asked.id, { from, to })
    try {
      if (response.destroyed) return
      response.writeHead(plan.status, plan.headers)
      if (from === to) response.flushHeaders()
      const isSent = await this.#body(reader, plan, response, asked.id)
      if (isSent) endAnswer(request, response)
    } finally {
      await reader.close()
    }
  }

  /** Sends the parts, one behind the other; the reader has the first range already. False where its client is gone. */
  async #body(
    reader: RangeReader,
    { parts, end }: DownloadPlan,
    response: ServerResponse,
    id: string,
  ): Promise<boolean> {
    const { idleTimeoutMs, log } = this.#options
    const ended = (): void =>
      log.info({ id }, 'a download was ended: its reader took nothing for --idle-timeout')
    const body = new PacedBody(response, this.#large, { timeoutMs: idleTimeoutMs, ended })
    try {
      for (const { head, from, to } of parts) {
        reader.goTo({ from, to })
        if (!(await body.text(head))) return false
        const sent = await body.bytes(reader, to - from)
        if (sent === undefined) return false
        if (from + sent < to) throw shorter(from + sent, to)
      }
      return await body.text(end)
    } finally {
      body.end()
    }
  }

  /** What is answered, with the headers of this server. Rejects where that is a refusal. */
  async #plan({ request }: Exchange, asked: AskedFile): Promise<DownloadPlan> {
    const plan = planDownload(request, await this.#find(asked))
    return { ...plan, headers: { ...plan.headers, ...asked.headers } }
  }

  async #find({ id, principal }: AskedFile): Promise<FileView> {
    const found = await this.#options.find(id, principal)
    if (found === undefined) throw new UploadError('upload_unknown')
    if (found === 'unfinished') throw new UploadError('upload_unfinished')
    return found
  }
}

function shorter(at: number, length: number): UploadError {
  const cause = new Error(`the file of a finished upload ends at byte ${at}, before byte ${length}`)
  return new UploadError('internal', { cause, detail: 'the file is shorter than recorded' })
}
