import { realpath } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import type { HttpStack } from 'tus-js-client'
import { HashedFile } from './hashed-file.js'
import { HashedStream } from './hashed-stream.js'
import type { ResumeKey, ResumeStore } from './resume-store.js'
import { GoneError, InterruptedError, send } from './send.js'

/** An upload that is gone on the server is begun again so many times. */
const MOST_BEGINNINGS = 3

/** The server's bytes are not those of the file, or it does not say what it has. */
export class UnprovenError extends Error {
  override readonly name = 'UnprovenError'
}

/** What all files of a command have in common. */
export interface UploadTools {
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly stack: HttpStack
  readonly store: ResumeStore
  readonly signal: AbortSignal
}

interface Sent {
  readonly url: string
  /** Lower-case hex. */
  readonly sha256: string
}

/**
 * Uploads one file: goes on where a run before this one stopped, and compares the server's digest with its own.
 * `sent` is called with how many bytes the server has. Rejects with what made it fail.
 */
export async function uploadFile(
  { path, name }: { readonly path: string; readonly name: string },
  tools: UploadTools,
  sent: (bytes: number) => void,
): Promise<Sent> {
  const fault = new AbortController()
  const file = await HashedFile.open(path, (error) => fault.abort(error))
  try {
    const key = { endpoint: withoutGrant(tools.endpoint), path: await realpath(path), name }
    const metadata = { filename: basename(name), ...(name.includes('/') ? { relativePath: name } : {}) }
    const shared = { file, metadata, sent, fileFault: fault.signal, ...tools }
    const { url, digest } = await finished(key, shared)
    const own = await file.digest(tools.signal).catch((error: unknown) => {
      if (tools.signal.aborted) throw new InterruptedError()
      tools.store.forget(key)
      throw error
    })
    if (digest !== undefined && digest !== own) tools.store.forget(key)
    return proven(url, digest, own)
  } finally {
    await file.end()
  }
}

/**
 * Uploads input whose end is not known, such as a pipe; a later run cannot go on with it. `name` is its file name, if it
 * has one. Otherwise as `uploadFile`.
 */
export async function uploadStream(
  { input, name }: { readonly input: Readable; readonly name: string | undefined },
  tools: UploadTools,
  sent: (bytes: number) => void,
): Promise<Sent> {
  const fault = new AbortController()
  const file = new HashedStream(input, (error) => fault.abort(error))
  try {
    const metadata: Record<string, string> = name === undefined ? {} : { filename: name }
    const shared = { file, metadata, sent, fileFault: fault.signal, created: () => {}, ...tools }
    const { url, digest } = await send({ ...shared, to: { endpoint: tools.endpoint } })
    return proven(url, digest, await file.digest())
  } finally {
    await file.end()
  }
}

/** An upload whose digest by the server is that of the bytes here; both are Base64. Throws UnprovenError. */
function proven(url: string, digest: string | undefined, own: string): Sent {
  if (digest === undefined) throw new UnprovenError('the server did not say which digest it has')
  if (digest !== own)
    throw new UnprovenError(
      `the server has other bytes: its digest is ${hexOf(digest)}, that of the file ${hexOf(own)}`,
    )
  return { url: withoutQuery(url), sha256: hexOf(own) }
}

type Shared = Omit<Parameters<typeof send>[0], 'to' | 'created' | 'file'> & {
  readonly file: HashedFile
} & Pick<UploadTools, 'endpoint' | 'store'>

/** The finished upload of a file, and the digest that the server has of it. */
async function finished(
  key: ResumeKey,
  shared: Shared,
): Promise<{ url: string; digest: string | undefined }> {
  const { file, endpoint, store } = shared
  const created = (url: string): void => store.remember(key, file.fingerprint, url)
  for (let beginnings = 1; ; beginnings += 1) {
    const url = store.urlOf(key, file.fingerprint)
    try {
      const done = await send({ ...shared, to: url === undefined ? { endpoint } : { url }, created })
      if (done.digest !== undefined) return done
      // An empty file is finished by its creation, whose answer may say nothing of a digest: HEAD does.
      return await send({ ...shared, to: { url: done.url }, created })
    } catch (error) {
      if (!(error instanceof GoneError) || beginnings === MOST_BEGINNINGS) throw error
      store.forget(key)
    }
  }
}

/** Another query may be another place to upload to; another grant is the same place. */
function withoutGrant(endpoint: string): string {
  const url = new URL(endpoint)
  url.searchParams.delete('grant')
  return url.href
}

/** A query of the creation URL, or of an upload, can be a secret. */
function withoutQuery(url: string): string {
  const plain = new URL(url)
  plain.search = ''
  return plain.href
}

function hexOf(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex')
}
