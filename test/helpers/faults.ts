/**
 * Loaded before the server in a process of its own (`--import`): a request with the header X-Fault makes the server
 * throw where it answers, in the way that the header names, and bytes of a body that begin with a text below make
 * it throw where they are taken.
 */
import { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

/** Bytes at which the copy into a block throws, and those at which the request's stream does. */
const THROWING_COPY = 'a fault in the copy'
const THROWING_PUSH = 'a fault in the push'

const { fill } = Buffer.prototype
const { push } = Readable.prototype
const { end } = ServerResponse.prototype
const writeHead = ServerResponse.prototype.writeHead

ServerResponse.prototype.writeHead = function (this: ServerResponse, ...given: unknown[]) {
  const fault = this.req.headers['x-fault']
  if (fault === 'thrown') throw new Error('a deliberate fault, thrown')
  if (fault === 'uncaught') {
    setImmediate(() => {
      throw new Error('a deliberate fault, uncaught')
    })
  }
  if (fault === 'rejected') Promise.reject(new Error('a deliberate fault, rejected'))
  return Reflect.apply(writeHead, this, given)
}

ServerResponse.prototype.end = function (this: ServerResponse, ...given: unknown[]) {
  if (this.req.headers['x-fault'] === 'ended') throw new Error('a deliberate fault, ended')
  return Reflect.apply(end, this, given)
}

Buffer.prototype.fill = function (this: Buffer, ...given: unknown[]) {
  if (beginsWith(given[0], THROWING_COPY)) throw new Error('a deliberate fault, copied')
  return Reflect.apply(fill, this, given)
}

Readable.prototype.push = function (this: Readable, ...given: unknown[]) {
  if (beginsWith(given[0], THROWING_PUSH)) throw new Error('a deliberate fault, pushed')
  return Reflect.apply(push, this, given)
}

function beginsWith(value: unknown, text: string): boolean {
  return (
    value instanceof Uint8Array && Buffer.from(value.subarray(0, text.length)).toString('latin1') === text
  )
}
