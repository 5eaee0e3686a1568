import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { memoryPeak } from '../helpers/memory-peak.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, statusOf, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('slow disk')
test.after(killServers)

// Each holds its own request beside what this is about: how many there may be is for --connections to say.
const CONNECTIONS = 500
const METADATA_BYTES = 8 * 1024 - 16
const ABOVE_IDLE_BYTES = 64 * 2 ** 20
const PRELOAD = new URL('../../../test/fixtures/slow-disk.cjs', import.meta.url).pathname

/** A server whose digest thread takes 20 ms for each sidecar. */
async function slowServer(): Promise<TestServer> {
  const before = process.env.NODE_OPTIONS
  process.env.NODE_OPTIONS = `--require ${PRELOAD}`
  try {
    return await startServer()
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS
    else process.env.NODE_OPTIONS = before
  }
}

test('creations with the largest metadata wait in order for a slow disk, and memory stays', async () => {
  const server = await slowServer()
  const idle = (await statusOf(server)).memory.rssBytes
  const value = Buffer.alloc((METADATA_BYTES / 4) * 3, 'x').toString('base64')
  const headers = ['Tus-Resumable: 1.0.0', 'Upload-Length: 5', `Upload-Metadata: key ${value}`]
  const all = Array.from({ length: CONNECTIONS }, async () => {
    const connection = await RawConnection.open(server.port)
    await connection.head('POST /files', headers)
    const { status } = await connection.answer(120_000)
    connection.cut()
    return status
  })
  const statuses = await Promise.all(all)
  assert.is(statuses.filter((status) => status === 201).length, CONNECTIONS)
  const above = memoryPeak(server.pid) - idle
  console.log(`${CONNECTIONS} creations of 8 KiB of metadata: ${(above / 2 ** 20).toFixed(1)} MiB above idle`)
  assert.ok(above < ABOVE_IDLE_BYTES, `${(above / 2 ** 20).toFixed(1)} MiB above idle`)
  await eventually(30_000, 'records', async () =>
    (await statusOf(server)).records.queued === 0 ? true : undefined,
  )
  assert.is(await server.stop(), 0)
})

test.run()
