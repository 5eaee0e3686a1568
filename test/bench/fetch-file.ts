import { connect } from 'node:net'

const BUFFER_BYTES = 2 ** 20

/** Fetches a file of so many bytes and keeps nothing of it. Rejects where the answer is another one. */
export function fetchFile(location: string, bytes: number): Promise<void> {
  const { hostname, port, host, pathname } = new URL(location)
  return new Promise((resolve, reject) => {
    let left = Number.NaN
    const take = (count: number, buffer: Uint8Array): boolean => {
      if (Number.isNaN(left)) {
        // All of these servers send their head before anything else, in one piece.
        const text = Buffer.from(buffer.subarray(0, count)).toString('latin1')
        const end = text.indexOf('\r\n\r\n') + 4
        const length = /^content-length: (\d+)\r$/im.exec(text.slice(0, end))?.[1]
        if (!text.startsWith('HTTP/1.1 200 ') || Number(length) !== bytes)
          reject(new Error(`GET was answered ${text.slice(0, end)}`))
        left = bytes + end
      }
      left -= count
      if (left === 0) resolve()
      if (left <= 0) socket.destroy()
      return true
    }
    // One buffer for all reads: the client must cost little, and the same for every server.
    const onread = { buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES), callback: take }
    const socket = connect({ host: hostname, port: Number(port), onread })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`the connection ended ${left} bytes before the end`)))
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  })
}
