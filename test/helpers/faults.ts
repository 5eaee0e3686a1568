/**
 * Loaded before the server in a process of its own (`--import`): a request with the header X-Fault makes the server
 * throw where it answers, in the way that the header names.
 */
import { ServerResponse } from 'node:http'

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
