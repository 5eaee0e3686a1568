import type { IncomingMessage } from 'node:http'

const WITHIN_MS = 15_000

/**
 * Reads a body that is of no use, and resolves with its bytes: with all of them, or as soon as they are more
 * than `mostBytes`. Resolves with null where the connection ends first, and after 15 s.
 */
export function readAway(request: IncomingMessage, mostBytes: number): Promise<number | null> {
  return new Promise((resolve) => {
    let bytes = 0
    const take = (chunk: Uint8Array): void => {
      bytes += chunk.length
      if (bytes > mostBytes) finish(bytes)
    }
    const end = (): void => finish(bytes)
    const leave = (): void => finish(null)
    const timer = setTimeout(leave, WITHIN_MS)
    const finish = (outcome: number | null): void => {
      clearTimeout(timer)
      request.off('data', take).off('end', end).off('close', leave)
      request.pause()
      resolve(outcome)
    }
    if (request.destroyed) return finish(null)
    request.on('data', take).on('end', end).on('close', leave)
  })
}
