/**
 * A sender in a process of its own, so that a test can stop it dead: `node endless.js <port> <path> <from> <to>`.
 * It declares the bytes from `from` to `to` and sends zeros at full speed, whatever is answered.
 */
import { connect } from 'node:net'
import { patchHeaders } from './sender.js'

const [port = '', path = '', from = '', to = ''] = process.argv.slice(2)
const part = Buffer.alloc(64 * 1024)
const socket = connect(Number(port), '127.0.0.1')
const head = [
  `PATCH ${path} HTTP/1.1`,
  'Host: lading.test',
  ...patchHeaders(Number(from), Number(to) - Number(from)),
]
socket.write(`${head.join('\r\n')}\r\n\r\n`)
const send = (): void => {
  while (socket.write(part));
}
socket
  .on('drain', send)
  .on('error', () => process.exit(0))
  .on('close', () => process.exit(0))
  .resume()
send()
