import type { ClientRequest } from 'node:http'
import { type FileReader, type HttpRequest, type HttpStack, Upload } from 'tus-js-client'
import { CHUNK_BYTES } from './hashed-stream.js'
import { delayMs, isGone, isRetried, MOST_RETRIES, reasonOf } from './retries.js'

/** What tus-js-client is given in a file's place; the bytes come from the reader. */
const NO_INPUT = Buffer.from('read by the reader')
/** A server that says nothing for so long is gone, whatever the connection says. */
const SILENCE_MS = 120_000

/** A signal has ended the upload. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

/** The upload does not exist on the server any more. */
export class GoneError extends Error {
  override readonly name = 'GoneError'
}

/** The size is NaN where it is not known. */
type FileSource = Awaited<ReturnType<FileReader['openFile']>>

interface Sending {
  readonly file: FileSource
  /** The creation URL, or that of an upload that was begun before. */
  readonly to: { readonly endpoint: string } | { readonly url: string }
  readonly metadata: Record<string, string>
  readonly headers: Readonly<Record<string, string>>
  readonly stack: HttpStack
  readonly signal: AbortSignal
  /** The upload exists at this URL. */
  readonly created: (url: string) => void
  /** Bytes that are sent, those of before included. */
  readonly sent: (bytes: number) => void
  /** Aborts, with the cause, where the file cannot be read. */
  readonly fileFault: AbortSignal
}

/** An upload that is finished. */
interface Finished {
  readonly url: string
  /** Base64, by the server; undefined where it did not say. */
  readonly digest: string | undefined
}

/**
 * Sends a file with tus-js-client, and tries again where that can help. Rejects with InterruptedError, with GoneError,
 * with the fault of the file, and with the last error of tus-js-client.
 */
export function send({ file, to, signal, fileFault, ...sending }: Sending): Promise<Finished> {
  return new Promise((resolve, reject) => {
    let digest: string | undefined
    const upload: Upload = new Upload(NO_INPUT, {
      endpoint: 'endpoint' in to ? to.endpoint : null,
      uploadUrl: 'url' in to ? to.url : null,
      fileReader: { openFile: async () => file },
      metadata: sending.metadata,
      // Input without a known end is sent in chunks, which can be sent again.
      ...(Number.isNaN(file.size) ? { uploadLengthDeferred: true, chunkSize: CHUNK_BYTES } : {}),
      headers: { ...sending.headers },
      httpStack: sending.stack,
      storeFingerprintForResuming: false,
      retryDelays: Array.from({ length: MOST_RETRIES }, (_, attempt) => delayMs(attempt)),
      onShouldRetry: isRetried,
      onProgress: sending.sent,
      onUploadUrlAvailable: () => {
        // With an endpoint tus-js-client begins again at byte 0 when a HEAD fails for whatever reason.
        upload.options.endpoint = null
        if (upload.url !== null) sending.created(upload.url)
      },
      onAfterResponse: (_request, response) => {
        digest =
          /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(response.getHeader('Repr-Digest') ?? '')?.[1] ??
          digest
      },
      onSuccess: () => end(() => resolve({ url: upload.url ?? '', digest })),
      onError: (error) =>
        end(() => reject(isGone(error) ? new GoneError(reasonOf(error), { cause: error }) : error)),
    })
    const stop = (): void => {
      const error = fileFault.aborted ? fileFault.reason : new InterruptedError()
      end(() => reject(error))
      upload.abort().catch(() => {})
    }
    const end = (settle: () => void): void => {
      for (const each of [signal, fileFault]) each.removeEventListener('abort', stop)
      settle()
    }
    for (const each of [signal, fileFault]) each.addEventListener('abort', stop)
    if (signal.aborted || fileFault.aborted) stop()
    else upload.start()
  })
}

/**
 * Requests by a stack of tus-js-client, each of which ends when nothing is heard or sent for two minutes, and when its
 * answer is cut off: the stack would wait for the rest for ever.
 */
export function impatient(stack: HttpStack): HttpStack {
  return {
    getName: () => stack.getName(),
    createRequest: (method, url) => withTimeout(stack.createRequest(method, url)),
  }
}

function withTimeout(request: HttpRequest): HttpRequest {
  const send = request.send.bind(request)
  request.send = (body) => {
    const answer = send(body)
    const sent: ClientRequest = request.getUnderlyingObject()
    sent.setTimeout(SILENCE_MS, () =>
      sent.destroy(new Error(`the server was silent for ${SILENCE_MS / 1_000} s`)),
    )
    const cut = new Promise<never>((_, reject) => {
      sent.once('response', (response) => {
        response.once('close', () => {
          if (!response.complete) reject(new Error('the answer of the server was cut off'))
        })
      })
    })
    return Promise.race([answer, cut])
  }
  return request
}
