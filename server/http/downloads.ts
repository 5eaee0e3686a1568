import type { IncomingMessage, ServerResponse } from 'node:http'
import { faultOf, guarded, UploadError } from '../errors.js'
import type { RangeReader } from '../model/engine.js'
import { answerFor, asUploadError, endAnswer, sendAnswer } from './answer.js'
import { corsHeaders, type HeaderFields } from './cors.js'
import { isFault } from './refusal.js'
import { reprDigest } from './repr-digest.js'

/** A finished file as a download needs it. */
export interface FinishedFile {
  readonly length: number
  readonly type: string
  readonly filename: string | null
  /** Lower-case hex. */
  readonly sha256: string
}

export interface DownloadOptions {
  /** A finished upload; undefined where there is none, 'unfinished' where it is not whole. Reads no file bytes. */
  readonly find: (id: string) => Promise<FinishedFile | 'unfinished' | undefined>
  /** Begins to read a finished upload's bytes. Rejects with BytesFault MISSING where they are gone. */
  readonly read: (id: string, range: { from: number; to: number }) => Promise<RangeReader>
  /** Downloads at once. */
  readonly limit: number
  /** A reader that takes nothing for so long loses its connection, and we the open file. */
  readonly idleTimeoutMs: number
  readonly corsOrigins: readonly string[]
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

  /** Answers one download; never rejects. At the limit it is refused before the disk is asked. */
  async serve(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const cors = { 'Tus-Resumable': '1.0.0', ...corsHeaders(request, this.#options.corsOrigins) }
    try {
      // A HEAD that says GET by X-HTTP-Method-Override is answered without a body, and so without the file.
      if (request.method === 'HEAD') return await this.#describe(request, response, { id, cors })
      if (this.#taken >= this.limit) throw new UploadError('downloads_full')
      this.#taken += 1
      try {
        await this.#send(request, response, { id, cors })
      } finally {
        this.#taken -= 1
      }
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (isFault(error)) this.#options.log.error({ id, err: error }, 'a download failed')
      // Too late for another status: a reader that got fewer bytes than Content-Length knows that it failed.
      if (response.headersSent) request.socket.destroy()
      else sendAnswer(request, response, answerFor(error, cors))
    }
  }

  async #describe(request: IncomingMessage, response: ServerResponse, { id, cors }: Asked): Promise<void> {
    const found = await this.#found(id)
    if (response.destroyed) return
    response.writeHead(200, { ...fileHeaders(found), ...cors })
    response.flushHeaders()
    endAnswer(request, response)
  }

  async #send(request: IncomingMessage, response: ServerResponse, { id, cors }: Asked): Promise<void> {
    const found = await this.#found(id)
    const range = await this.#options.read(id, { from: 0, to: found.length })
    try {
      if (response.destroyed) return
      response.writeHead(200, { ...fileHeaders(found), ...cors })
      if (found.length === 0) response.flushHeaders()
      const isSent = await this.#pieces(range, found.length, response, id)
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

  async #found(id: string): Promise<FinishedFile> {
    const found = await this.#options.find(id)
    if (found === undefined) throw new UploadError('upload_unknown')
    if (found === 'unfinished') throw new UploadError('upload_unfinished')
    return found
  }
}

interface Asked {
  readonly id: string
  readonly cors: HeaderFields
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

/** The headers of a finished file, for GET and HEAD: an attachment that no browser shows or runs. */
export function fileHeaders(file: FinishedFile): HeaderFields {
  const name = encodeURIComponent(file.filename ?? 'download').replaceAll("'", '%27')
  return {
    'Content-Type': file.type,
    'Content-Length': String(file.length),
    'Content-Disposition': `attachment; filename*=UTF-8''${name}`,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'Repr-Digest': reprDigest(file.sha256),
  }
}
