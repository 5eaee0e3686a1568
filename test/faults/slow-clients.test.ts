import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createUpload, offsetOf, Patch, PseudoFile, resume } from '../helpers/sender.js'
import { eventually, type Status, statusOf, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'
import { unknownId } from '../helpers/wire.js'

const test = suite('slow clients')
test.after(killServers)

const MIB = 2 ** 20
const SOON_MS = 60_000

/** Resolves when `GET /api/status` says so. */
async function until(server: TestServer, what: string, isSo: (status: Status) => boolean): Promise<void> {
  await eventually(SOON_MS, what, async () => (isSo(await statusOf(server)) ? true : undefined))
}

const DOWNLOAD_BYTES = 40 * MIB

test('a reader that takes nothing of a download is ended after --idle-timeout, one that is slow is not', async () => {
  const server = await startServer(['--idle-timeout', '2s', '--downloads', '2'])
  const file = new PseudoFile(7, DOWNLOAD_BYTES)
  const path = await createUpload(server, file)
  await resume(server, path, file)
  const ask = async () => {
    const socket = connect(server.port, '127.0.0.1').on('error', () => {})
    socket.write(`GET ${path} HTTP/1.1\r\nHost: lading.test\r\nConnection: close\r\n\r\n`)
    await bounded(SOON_MS, once(socket, 'readable'), 'the first bytes')
    return socket
  }
  const [silent, slow] = [await ask(), await ask()]
  let bytes = 0
  const readAll = async (): Promise<void> => {
    for await (const part of slow) {
      const before = Math.floor(bytes / MIB)
      bytes += part.length
      if (Math.floor(bytes / MIB) > before) await setTimeout(150)
    }
  }
  const read = readAll()
  await eventually(SOON_MS, 'the log', async () =>
    server.log().includes('its reader took nothing for --idle-timeout') ? true : undefined,
  )
  assert.ok(bytes < DOWNLOAD_BYTES, 'the slow one still reads')
  await bounded(SOON_MS, read, 'the end of the slow one')
  assert.ok(bytes > DOWNLOAD_BYTES, `${bytes} bytes of ${DOWNLOAD_BYTES} with their head`)
  await until(server, 'no download', ({ downloads }) => downloads.taken === 0)
  silent.destroy()
  assert.is(await server.stop(), 0)
})

test('"keep reading within a bound of bytes and time, then close": bodies that are refused and drip on are ended', async () => {
  const server = await startServer(['--slots', '1', '--idle-timeout', '60s'])
  const file = new PseudoFile(2, 64 * MIB)
  const [path, held] = [await createUpload(server, file), await createUpload(server, file)]
  const holder = await Patch.begin(server, held, file, 0)
  await until(server, 'a taken slot', ({ slots }) => slots.taken === 1)
  const drips: NodeJS.Timeout[] = []
  const refused: Patch[] = []
  const refuse = async (code: string, from: number, to: number, of: string): Promise<void> => {
    const patch = await Patch.begin(server, of, file, from, to)
    drips.push(setInterval(() => patch.connection.socket.write('a'), 100))
    refused.push(patch)
    const text = (await patch.answered)?.text ?? ''
    assert.ok(text.startsWith(`${code}:`), `${code}: ${text}`)
  }
  try {
    await refuse('slots_full', 0, file.size, path)
    holder.connection.cut()
    await until(server, 'a free slot', ({ slots }) => slots.taken === 0)
    await refuse('length_exceeded', 0, 2 * file.size, path)
    await refuse('offset_conflict', 5, file.size, path)
    await refuse('upload_unknown', 0, file.size, `/files/${unknownId()}`)
    for (const { connection } of refused) await connection.closed(SOON_MS)
  } finally {
    for (const drip of drips) clearInterval(drip)
  }
  assert.is(await offsetOf(server, path), 0)
  assert.is(await server.stop(), 0)
})

test.run()
