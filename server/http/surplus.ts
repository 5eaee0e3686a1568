import type { IncomingMessage } from 'node:http'
import { faultOf, guarded } from '../errors.js'

const WITHIN_MS = 15_000

/**
 * Reads a body that is of no use, and resolves with its bytes: with all of them, or as soon as they are more
 * than `mostBytes`. Resolves with null where the connection ends first, and after 15 s.
 */
export function readAway(request: IncomingMessage, mostBytes: number): Promise<number | null> {
  return new Promise((resolve) => {
    let bytes = 0
    const threw = faultOf(request)
    const take = guarded((chunk: Uint8Array) => {
      bytes += chunk.length
      if (bytes > mostBytes) finish(bytes)
    }, threw)
    const end = guarded(() => finish(bytes), threw)
    const leave = guarded(() => finish(null), threw)
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
