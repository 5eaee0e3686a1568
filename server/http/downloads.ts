import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { UploadError } from '../errors.js'
import { answerFor, asUploadError, sendAnswer } from './answer.js'
import { corsHeaders, type HeaderFields } from './cors.js'
import { reprDigest } from './repr-digest.js'

/** A reader that takes nothing for so long loses its connection, and we the open file. */
const SILENCE_MS = 60_000

/** A finished file as a download needs it. */
export interface FinishedFile {
  readonly file: string
  readonly length: number
  readonly type: string
  readonly filename: string | null
  /** Lower-case hex. */
  readonly sha256: string
}

export interface DownloadOptions {
  /** A finished upload; undefined where there is none, 'unfinished' where it is not whole. Reads no file bytes. */
  readonly find: (id: string) => Promise<FinishedFile | 'unfinished' | undefined>
  readonly corsOrigins: readonly string[]
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
}

/** Serves `GET /files/<id>`: the whole of a finished file, never shown inside the browser. */
export class Downloads {
  readonly #options: DownloadOptions

  constructor(options: DownloadOptions) {
    this.#options = options
  }

  /** Answers one download; never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse, id: string): Promise<void> {
    const cors = { 'Tus-Resumable': '1.0.0', ...corsHeaders(request, this.#options.corsOrigins) }
    try {
      const found = await this.#options.find(id)
      if (found === undefined) throw new UploadError('upload_unknown')
      if (found === 'unfinished') throw new UploadError('upload_unfinished')
      response.setTimeout(SILENCE_MS, () => response.destroy())
      response.writeHead(200, { ...fileHeaders(found), ...cors })
      await pipeline(createReadStream(found.file, { highWaterMark: 256 * 1024 }), response)
    } catch (thrown) {
      const error = asUploadError(thrown)
      if (response.headersSent) this.#options.log.warn({ id, err: error.cause }, 'a download was cut')
      else if (error.status >= 500) this.#options.log.error({ id, err: error }, 'a download failed')
      sendAnswer(request, response, answerFor(error, cors))
    }
  }
}

function fileHeaders(file: FinishedFile): HeaderFields {
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
