import * as assert from 'uvu/assert'
import type { askOf } from './routes.js'
import { idOf, locationOf } from './server.js'
import { OFFSET_TYPE } from './wire.js'

interface UploadedFile {
  readonly bytes: string | Uint8Array
  /** Upload-Metadata. */
  readonly metadata?: string
  readonly headers?: object
}

/** Uploads a file whole, and resolves with its path. */
export async function uploaded(
  ask: ReturnType<typeof askOf>,
  { bytes, metadata, headers = {} }: UploadedFile,
): Promise<string> {
  const length = Buffer.byteLength(bytes)
  const named = metadata === undefined ? {} : { 'Upload-Metadata': metadata }
  const own = { 'Upload-Length': length, 'Content-Length': length, 'Content-Type': OFFSET_TYPE }
  const answer = await ask('POST', '/files', { ...own, ...named, ...headers }, bytes)
  assert.is(answer.status, 201, answer.text)
  return `/files/${idOf(locationOf(answer))}`
}
