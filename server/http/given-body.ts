import type { IncomingMessage } from 'node:http'

/** Tells whether the request brings a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * Tells whether others read the body or have it decoded: bytes that they took are missing. One that was only paused is
 * whole.
 */
export function isTouched(request: IncomingMessage): boolean {
  return (
    request.readableDidRead ||
    request.readableFlowing === true ||
    request.readableEncoding !== null ||
    request.listenerCount('readable') > 0
  )
}

/** Calls `received` with the bytes of each read, so that their buffers are collected in time. */
export function countReads(request: IncomingMessage, received: (bytes: number) => void): void {
  const push = request.push.bind(request)
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) received(chunk.length)
    return push(chunk, encoding)
  }
}
