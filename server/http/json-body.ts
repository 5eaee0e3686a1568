import type { IncomingMessage } from 'node:http'
import { faultOf, guarded, UploadError } from '../errors.js'

const MOST_BYTES = 64 * 1024
const WITHIN_MS = 15_000

/** Reads a small body as a JSON object; an empty one is `{}`. Rejects with body_invalid, also where it is too long or too slow. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request)
  if (bytes.length === 0) return {}
  try {
    const value: unknown = JSON.parse(bytes.toString())
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch (error) {
    throw new UploadError('body_invalid', { cause: error })
  }
  throw new UploadError('body_invalid', { detail: 'it is no object' })
}

function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = []
    let bytes = 0
    const threw = faultOf(request)
    const take = guarded((piece: Uint8Array) => {
      bytes += piece.length
      pieces.push(piece)
      if (bytes > MOST_BYTES) refuse('longer than 64 KiB')
    }, threw)
    const end = guarded(() => {
      leave()
      resolve(Buffer.concat(pieces))
    }, threw)
    const refuse = (detail: string): void => {
      leave()
      request.pause()
      reject(new UploadError('body_invalid', { detail }))
    }
    const cut = guarded(() => refuse('it did not end'), threw)
    const timer = setTimeout(cut, WITHIN_MS)
    const leave = (): void => {
      clearTimeout(timer)
      request.off('data', take).off('end', end).off('close', cut)
    }
    if (request.destroyed) return cut()
    request.on('data', take).on('end', end).on('close', cut)
  })
}
