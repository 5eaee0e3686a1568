import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NO_INPUT, readerOf, sendWith, type UploadOptions } from '../helpers/js-client.js'
import { reprDigestOf } from '../helpers/proof.js'
import { CuttingProxy } from '../helpers/proxy.js'
import { askOf } from '../helpers/routes.js'
import { PseudoFile } from '../helpers/sender.js'
import { startServer, type TestServer } from '../helpers/server.js'
import { bearer, inSeconds, SECRET_FLAGS, signed } from '../helpers/tokens.js'

const test = suite<{ server: TestServer; proxy: CuttingProxy }>('tus-js-client with tokens')

const MIB = 2 ** 20
const TOKEN_SECONDS = 2
/** Sixteen chunks, half a second each. */
const CHUNK_MS = 500

test.before(async (context) => {
  context.server = await startServer(SECRET_FLAGS)
  context.proxy = await CuttingProxy.open(context.server.port)
})
test.after(async ({ server, proxy }) => {
  proxy.close()
  await server.stop()
})

/** A file that comes slowly: an upload of it takes much longer than its token is valid. */
function slowReaderOf(file: PseudoFile): NonNullable<UploadOptions['fileReader']> {
  const reader = readerOf(file)
  return {
    openFile: async (input, chunkSize) => {
      const source = await reader.openFile(input, chunkSize)
      const slice: typeof source.slice = async (start, end) => {
        await new Promise((resolve) => setTimeout(resolve, CHUNK_MS))
        return source.slice(start, end)
      }
      return { size: source.size, slice, close: () => source.close() }
    },
  }
}

test('"An expired token never costs a byte": a token of 2 s, an upload of 8 s with cuts, and nothing sent twice', async ({
  server,
  proxy,
}) => {
  const file = new PseudoFile(21, 16 * MIB)
  for (const [fault, at] of [
    ['reset', 1.5],
    ['drop', 4],
    ['stall', 3.5],
  ] as const)
    proxy.fail(fault, at * MIB)
  proxy.failAnswer('reset', /^HTTP\/1\.1 204/)
  const startedAt = Date.now()
  const headers = bearer(await signed({ sub: 'ann', exp: inSeconds(TOKEN_SECONDS) }))
  const offsets: number[] = []
  const acknowledged: number[] = []
  const answers: string[] = []
  const sent = await sendWith({ url: `http://127.0.0.1:${proxy.port}/files` }, NO_INPUT, {
    fileReader: slowReaderOf(file),
    chunkSize: MIB,
    headers,
    retryDelays: [0, 100, 500, 1000],
    onBeforeRequest: (request) => {
      const offset = request.getHeader('Upload-Offset')
      if (offset !== undefined) offsets.push(Number(offset))
    },
    onAfterResponse: (request, response) => {
      const offset = response.getHeader('Upload-Offset')
      if (offset !== undefined) acknowledged.push(Number(offset))
      answers.push(`${request.getMethod()} ${response.getStatus()}`)
    },
  })
  assert.ok(Date.now() - startedAt > 2 * TOKEN_SECONDS * 1_000, 'the token was over for most of the upload')
  assert.is(proxy.failed, 4)
  assert.equal(
    answers.filter((answer) => !/ 20[014]$/.test(answer)),
    [],
  )
  assert.equal(
    answers.filter((answer) => answer.startsWith('POST')),
    ['POST 201'],
  )
  assert.is(sent.digest, reprDigestOf(file))
  // Each request goes on where the server's last answer says, and never before.
  for (const offset of offsets)
    assert.ok(offset === 0 || acknowledged.includes(offset), `a PATCH at ${offset}`)
  assert.equal(
    offsets,
    [...offsets].sort((a, b) => a - b),
  )
  const late = { 'Upload-Length': '5', ...headers }
  assert.is((await askOf(() => server.origin)('POST', '/files', late)).status, 401, 'and nothing else')
})

test.run()
