import type { DigestMessage } from './digest-worker.js'

/** The name of the worker's file; the build puts it here. */
declare const DIGEST_WORKER: string

/** Computes the SHA-256 of files in the browser, one after the other, beside the page's own thread. */
export class Digester {
  #last: Promise<unknown> = Promise.resolve()

  /** The digest in hex. Rejects where the file cannot be read any more. `progress` gets the bytes read so far. */
  digestOf(file: Blob, progress: (bytes: number) => void): Promise<string> {
    const digest = this.#last.then(() => digestBeside(file, progress))
    this.#last = digest.catch(() => {})
    return digest
  }
}

function digestBeside(file: Blob, progress: (bytes: number) => void): Promise<string> {
  const worker = new Worker(new URL(DIGEST_WORKER, import.meta.url), { type: 'module' })
  const digest = new Promise<string>((resolve, reject) => {
    worker.addEventListener('error', () => reject(new Error('the worker failed')))
    worker.addEventListener('message', ({ data }: MessageEvent<DigestMessage>) => {
      if ('bytes' in data) progress(data.bytes)
      else if ('sha256' in data) resolve(data.sha256)
      else reject(new Error(data.error))
    })
    worker.postMessage(file)
  })
  return digest.finally(() => worker.terminate())
}
