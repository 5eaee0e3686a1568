import type { IncomingMessage, ServerResponse } from 'node:http'
import { faultOf, guarded } from '../errors.js'
import type { Answer } from '../model/answer.js'

const READ_ON_BYTES = 256 * 1024 * 1024
const READ_ON_MS = 15_000
const CHECK_EVERY_MS = 250
/** The reasons of statuses that are not HTTP's; 460 is of tus (tus 1.0.0, checksum). */
const REASONS: Readonly<Record<number, string>> = { 460: 'Checksum Mismatch' }

/**
 * Sends an answer, also while the request's body still comes: the connection stays open and is read on,
 * for at most 256 MiB and 15 s, because a sender whose connection closes under it sees a network error
 * and never the status.
 */
export function sendAnswer(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.destroyed || response.headersSent) return
  const text = answer.bytes ?? answer.text ?? ''
  const isHead = request.method === 'HEAD'
  // Neither has a body; a 304 could have only the length of the 200 in its place (RFC 9110, section 8.6).
  const isBodiless = answer.status === 204 || answer.status === 304
  const hasBody = !isBodiless && !isHead
  // The answer to HEAD may have the length of what GET would send (RFC 9110, section 8.6); no other may.
  const ofGet = isHead ? answer.headers['Content-Length'] : undefined
  const length = isBodiless ? {} : { 'Content-Length': ofGet ?? String(Buffer.byteLength(text)) }
  const reason = REASONS[answer.status]
  if (reason !== undefined) response.statusMessage = reason
  response.writeHead(answer.status, { ...answer.headers, ...length })
  if (request.complete || answer.headers.Connection === 'close') {
    end(response, hasBody ? text : undefined)
    return
  }
  // Ended only when the body has: Node closes a connection that is not kept alive as soon as the answer ends.
  if (hasBody && text.length > 0) response.write(text)
  else response.flushHeaders()
  endAnswer(request, response)
}

/**
 * Ends an answer whose bytes are all written, once the request's own body is over. That is read on for at most
 * 256 MiB and 15 s, then the connection ends.
 */
export function endAnswer(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete) end(response)
  else readOn(request, () => end(response))
}

function readOn(request: IncomingMessage, done: () => void): void {
  const { socket } = request
  request.once('end', guarded(done, faultOf(request)))
  const until = performance.now() + READ_ON_MS
  const bytes = socket.bytesRead + READ_ON_BYTES
  const timer = setInterval(() => {
    if (request.complete || socket.destroyed) return clearInterval(timer)
    if (performance.now() < until && socket.bytesRead < bytes) return
    clearInterval(timer)
    socket.destroy()
  }, CHECK_EVERY_MS)
  timer.unref()
  request.resume()
}

/** Ends a response. A client that does not read what is left of it loses its connection. */
function end(response: ServerResponse, text?: string | Uint8Array): void {
  response.end(text)
  const { socket } = response
  // What the system took at once needs no reader.
  if (!socket || socket.writableLength === 0) return
  const unread = setTimeout(() => socket.destroy(), READ_ON_MS).unref()
  response.once('close', () => clearTimeout(unread))
}
