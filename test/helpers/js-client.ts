import { Readable } from 'node:stream'
import { Upload, type UploadOptions } from 'tus-js-client'
import type { PseudoFile } from './sender.js'
import type { TestServer } from './server.js'
import { bounded } from './test.js'

export { Upload, type UploadOptions } from 'tus-js-client'

const SUCCESS_WITHIN_MS = 120_000

/** What tus-js-client told at the end of an upload. */
export interface Success {
  /** The upload's path. */
  readonly path: string
  /** Repr-Digest of the last answer. */
  readonly digest: string | undefined
  /** The method and status of every answer, as `PATCH 204`. */
  readonly answers: readonly string[]
}

/** Sends a file with tus-js-client's own defaults but for `options`; rejects with what it gives to onError. */
export function sendWith(
  server: Pick<TestServer, 'url'>,
  input: Upload['file'],
  options: UploadOptions = {},
): Promise<Success> {
  const answers: string[] = []
  const success = new Promise<Success>((resolve, reject) => {
    const upload = new Upload(input, {
      endpoint: server.url,
      onAfterResponse: (request, response) => {
        answers.push(`${request.getMethod()} ${response.getStatus()}`)
      },
      ...options,
      onError: reject,
      onSuccess: ({ lastResponse }) => {
        resolve({ path: pathOf(upload), digest: lastResponse.getHeader('Repr-Digest'), answers })
      },
    })
    upload.start()
  })
  return bounded(SUCCESS_WITHIN_MS, success, 'the end of the upload')
}

/** The path of an upload that has been created. */
export function pathOf(upload: Upload): string {
  if (upload.url === null) throw new Error('the upload has no URL')
  return new URL(upload.url).pathname
}

/** What tus-js-client is given in a file's place when its bytes come from `readerOf`. */
export const NO_INPUT = Buffer.from('read by the reader')

/** Lets tus-js-client read a file that exists nowhere, any part of it, again where it must. */
export function readerOf(file: PseudoFile): NonNullable<UploadOptions['fileReader']> {
  const slice = async (start: number, end: number) => {
    const to = Math.min(end, file.size)
    const value = Object.assign(Readable.from(pieces(file, start, to), { objectMode: false }), {
      size: to - start,
    })
    return { value, done: to >= file.size }
  }
  return { openFile: async () => ({ size: file.size, slice, close: () => {} }) }
}

/** A file's bytes from `from` on, before `to`, piece by piece. */
export function* pieces(file: PseudoFile, from = 0, to = file.size): Generator<Buffer> {
  for (let at = from; at < to; ) {
    const piece = file.read(at, to)
    at += piece.length
    yield piece
  }
}
