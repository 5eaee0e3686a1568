// waits
// time-limit: 300s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { NO_INPUT, readerOf, sendWith } from '../helpers/js-client.js'
import { assertStored, reprDigestOf, storedBytes } from '../helpers/proof.js'
import { CuttingProxy, type Fault } from '../helpers/proxy.js'
import { PseudoFile } from '../helpers/sender.js'
import { eventually, startServer, type TestServer } from '../helpers/server.js'

interface Line {
  server: TestServer
  /** Stands before the server, where a test asks for it. */
  proxy: CuttingProxy
}

const test = suite<Line>('tus-js-client, faults')

const MIB = 2 ** 20
const GIB = 2 ** 30

test.before.each(async (line) => {
  line.server = await startServer()
  line.proxy = await CuttingProxy.open(line.server.port)
})

test.after.each(async ({ server, proxy }) => {
  proxy.close()
  await server.stop('SIGKILL')
})

/** Kills the server and starts it again at the same address with the same data. */
async function killAndRestart(line: Line): Promise<void> {
  const { port, dataDir } = line.server
  await line.server.stop('SIGKILL')
  line.server = await startServer(['--port', String(port)], dataDir)
}

/** Where the server stands when its address has the proxy's port. */
function urlBy(proxy: CuttingProxy, server: TestServer): string {
  const url = new URL(server.url)
  url.port = String(proxy.port)
  return url.href
}

for (const fault of ['drop', 'reset', 'stall'] as const satisfies readonly Fault[]) {
  test(`finishes by its default retries over a line that fails four times by ${fault}`, async ({
    server,
    proxy,
  }) => {
    const file = new PseudoFile(5, 64 * MIB)
    for (const megabytes of [1, 12, 7, 20]) proxy.fail(fault, megabytes * MIB + 123)
    const sent = await sendWith({ url: urlBy(proxy, server) }, NO_INPUT, { fileReader: readerOf(file) })
    assert.is(proxy.failed, 4)
    assert.equal(
      sent.answers.filter((answer) => answer === 'HEAD 200').length,
      4,
      'a HEAD after each failure found the upload',
    )
    assert.is(sent.digest, reprDigestOf(file))
    await assertStored(server, sent.path, file)
    await idle(server)
  })
}

for (const chunkSize of [8 * MIB, Number.POSITIVE_INFINITY]) {
  test(`finishes although the server is killed twice on the way, in chunks of ${chunkSize}`, async (line) => {
    const { url } = line.server
    const file = new PseudoFile(6, 256 * MIB)
    const kills = [0.3, 0.7].map((share) => share * file.size)
    let restarted: Promise<void> = Promise.resolve()
    const sent = await sendWith({ url }, NO_INPUT, {
      chunkSize,
      fileReader: readerOf(file),
      onProgress: (bytes) => {
        if (bytes < (kills[0] ?? Number.POSITIVE_INFINITY)) return
        kills.shift()
        restarted = restarted.then(() => killAndRestart(line))
      },
    })
    await restarted
    assert.is(kills.length, 0, 'it was killed twice')
    assert.is(sent.digest, reprDigestOf(file))
    await assertStored(line.server, sent.path, file)
  })
}

test('sends 3 GiB in one PATCH, and the digest is the same in the answer, the sidecar and the row', async ({
  server,
}) => {
  const file = new PseudoFile(7, 3 * GIB + 1)
  const sent = await sendWith(server, NO_INPUT, { fileReader: readerOf(file) })
  assert.equal(sent.answers, ['POST 201', 'PATCH 204'])
  assert.is(sent.digest, reprDigestOf(file))
  await assertStored(server, sent.path, file)
})

test('sends 1 GiB over a cut and a kill, and it is one file in the end', async (line) => {
  const { server, proxy } = line
  const file = new PseudoFile(8, GIB)
  proxy.fail('reset', 200 * MIB)
  let path = ''
  const sending = sendWith({ url: urlBy(proxy, server) }, NO_INPUT, {
    fileReader: readerOf(file),
    onAfterResponse: (_, response) => {
      path = response.getHeader('Location') ?? path
    },
  })
  await eventually(60_000, 'half of the file', async () => {
    return path !== '' && storedBytes(server, path) > GIB / 2 ? true : undefined
  })
  await killAndRestart(line)
  const sent = await sending
  assert.is(proxy.failed, 1)
  assert.is(sent.digest, reprDigestOf(file))
  await assertStored(server, sent.path, file)
})

test.run()
