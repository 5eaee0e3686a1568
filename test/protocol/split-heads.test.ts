import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../helpers/raw.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('split-heads')
test.after(killServers)

const GET = 'GET /healthz HTTP/1.1\r\nHost: x'

/** Pieces that the server reads one by one; each whole has two requests and a third behind them. */
const PIECES = {
  'behind a head that is cut in its last line': [`${GET}\r\n\r`, `\n${GET}`, `\r\n\r\n${GET}\r\n\r\n`],
  'behind a body in chunks': [
    `${GET}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `3\r\nabc\r\n0\r\n\r\n${GET}`,
    `\r\n\r\n${GET}\r\n\r\n`,
  ],
  'behind a body whose head was cut in its last line': [
    `${GET}\r\nContent-Length: 80\r\n\r`,
    `\n${'b'.repeat(40)}`,
    `${'b'.repeat(40)}${GET}`,
    `\r\n\r\n${GET}\r\n\r\n`,
  ],
}

for (const [where, pieces] of Object.entries(PIECES)) {
  test(`the empty line that ends a head is no empty line before a request, ${where}`, async () => {
    const server = await startServer()
    const connection = await RawConnection.open(server.port)
    connection.socket.setNoDelay(true)
    for (const piece of pieces) {
      await connection.write(piece)
      // Another request is answered: the piece has been read.
      const other = await RawConnection.open(server.port)
      await other.write(`${GET}\r\n\r\n`)
      assert.is((await other.answer()).status, 200)
      other.socket.destroy()
    }
    for (let request = 0; request < 3; request++) assert.is((await connection.answer()).status, 200)
    connection.socket.destroy()
  })
}

test.run()
