import type { Socket } from 'node:net'
import type { Exchange } from './exchange.js'

/** A client has so long to take an answer that is complete. */
const ANSWER_TAKEN_WITHIN_MS = 30_000

/**
 * Watches for the end of an answer. The function it returns resolves once the system has taken the answer. A client
 * that does not read it loses its connection.
 */
export function watchEnd({ response }: Exchange, socket: Socket): () => Promise<void> | undefined {
  // `writableFinished` is true before 'finish', at which Node ends the socket behind an answer that closes.
  let isOver = response.closed
  let onOver = (): void => {}
  const over = (): void => {
    isOver = true
    onOver()
  }
  response.once('finish', over).once('close', over)
  return () => {
    if (isOver || socket.destroyed) return undefined
    return new Promise((resolve) => {
      const late = setTimeout(() => socket.destroy(), ANSWER_TAKEN_WITHIN_MS)
      onOver = () => {
        clearTimeout(late)
        resolve()
      }
    })
  }
}
