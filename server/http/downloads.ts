import type { ServerResponse } from 'node:http'
import { asUploadError, faultOf, guarded, isFault, UploadError } from '../errors.js'
import type { HeaderFields } from '../model/answer.js'
import type { RangeReader } from '../model/engine.js'
import { type FileView, fileHeaders } from '../model/file-headers.js'
import type { Principal } from '../model/principal.js'
import { endAnswer } from './answer.js'
import type { Exchange } from './exchange.js'

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

/** Serves `GET /files/<id>`: the whole of a finished file, never shown inside the browser. */
export class Downloads {
  readonly #options: DownloadOptions
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
      if (exchange.request.method === 'HEAD') return await this.#describe(exchange, asked)
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

  async #describe({ request, response }: Exchange, asked: AskedFile): Promise<void> {
    const file = await this.#find(asked)
    if (response.destroyed) return
    response.writeHead(200, { ...fileHeaders(file), ...asked.headers })
    response.flushHeaders()
    endAnswer(request, response)
  }

  async #sendFile({ request, response }: Exchange, asked: AskedFile): Promise<void> {
    const finished = await this.#find(asked)
    const range = await this.#options.read(asked.id, { from: 0, to: finished.length })
    try {
      if (response.destroyed) return
      response.writeHead(200, { ...fileHeaders(finished), ...asked.headers })
      if (finished.length === 0) response.flushHeaders()
      const isSent = await this.#pieces(range, finished.length, response, asked.id)
      if (isSent) endAnswer(request, response)
    } finally {
      await range.close()
    }
  }

  /** Sends the bytes piece by piece; the next is read when the system has taken the last. False where its reader is gone. */
  async #pieces(range: RangeReader, length: number, response: ServerResponse, id: string): Promise<boolean> {
    const { idleTimeoutMs, log } = this.#options
    const endSilence = (): void => {
      log.info({ id }, 'a download was ended: its reader took nothing for --idle-timeout')
      response.destroy()
    }
    const silence = setTimeout(guarded(endSilence, faultOf(response)), idleTimeoutMs)
    try {
      for (let at = 0; at < length; ) {
        const piece = await range.next()
        if (!piece) throw shorter(at, length)
        if (!(await isWritten(response, piece))) return false
        silence.refresh()
        at += piece.length
      }
      return true
    } finally {
      clearTimeout(silence)
    }
  }

  async #find({ id, principal }: AskedFile): Promise<FileView> {
    const found = await this.#options.find(id, principal)
    if (found === undefined) throw new UploadError('upload_unknown')
    if (found === 'unfinished') throw new UploadError('upload_unfinished')
    return found
  }
}

/** Resolves when the system has taken a piece, with false where the connection is gone. */
function isWritten(response: ServerResponse, piece: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve(false)
    const gone = (): void => resolve(false)
    response.once('close', gone)
    response.write(piece, (error) => {
      response.off('close', gone)
      resolve(!error)
    })
  })
}

function shorter(at: number, length: number): UploadError {
  const cause = new Error(`the file of a finished upload ends at byte ${at}, before byte ${length}`)
  return new UploadError('internal', { cause, detail: 'the file is shorter than recorded' })
}
