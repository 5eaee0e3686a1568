import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { pathOf, pieces, Upload } from '../helpers/js-client.js'
import { assertStored, reprDigestOf, rowsOf, storedNames } from '../helpers/proof.js'
import { CuttingProxy } from '../helpers/proxy.js'
import { PseudoFile } from '../helpers/sender.js'
import { eventually, startServer, type TestServer, temporaryFolder } from '../helpers/server.js'
import { bounded } from '../helpers/test.js'

interface Line {
  server: TestServer
  proxy: CuttingProxy
  url: string
}

const test = suite<Line>('tus-js-client, parallel uploads')

const MIB = 2 ** 20
const WITHIN_MS = 60_000
const FILE = new PseudoFile(1, 24 * MIB + 7)
const FILE_PATH = join(temporaryFolder(), 'file.bin')
/** The answer to the final creation, once the parts are joined. */
const JOINED = /^HTTP\/1\.1 201 [\s\S]*\r\nRepr-Digest: /i

test.before(() => writeFile(FILE_PATH, pieces(FILE)))

test.after.each(async ({ server, proxy }) => {
  proxy.close()
  await server.stop('SIGKILL')
})

async function open(line: Line, flags: readonly string[] = []): Promise<void> {
  line.server = await startServer(flags)
  line.proxy = await CuttingProxy.open(line.server.port)
  line.url = line.server.url.replace(`:${line.server.port}`, `:${line.proxy.port}`)
}

/** How an upload came to an end, and the bodies it sent since it was started. */
interface End {
  readonly error?: Error
  readonly digest?: string | undefined
}

/** Starts an upload in four parts, again where it failed before, and resolves with how it ends. */
class FourParts {
  readonly upload: Upload
  readonly answers: string[] = []
  #ended: (end: End) => void = () => {}

  constructor(url: string) {
    this.upload = new Upload(createReadStream(FILE_PATH), {
      endpoint: url,
      parallelUploads: 4,
      onError: (error) => this.#ended({ error }),
      onSuccess: ({ lastResponse }) => this.#ended({ digest: lastResponse.getHeader('Repr-Digest') }),
      onAfterResponse: (request, response) => {
        this.answers.push(`${request.getMethod()} ${response.getStatus()}`)
      },
    })
  }

  start(): Promise<End> {
    this.answers.length = 0
    const end = new Promise<End>((resolve) => {
      this.#ended = resolve
    })
    this.upload.start()
    return bounded(WITHIN_MS, end, 'the end of the upload')
  }

  count(answer: string): number {
    return this.answers.filter((each) => each === answer).length
  }
}

async function finishedRows(server: TestServer, many: number): Promise<void> {
  await eventually(WITHIN_MS, `${many} finished rows`, async () => {
    const finished = [...rowsOf(server).values()].filter(({ state }) => state === 'finished')
    return finished.length === many ? true : undefined
  })
}

/** Waits until the final upload's two files are all there is. */
async function partsGone(server: TestServer): Promise<void> {
  await eventually(WITHIN_MS, 'the end of the parts', async () => {
    return storedNames(server).length === 2 ? true : undefined
  })
}

test('sends four parts at once and one final, and only the final stays', async (line) => {
  await open(line)
  const sending = new FourParts(line.url)
  const { digest } = await sending.start()
  assert.is(digest, reprDigestOf(FILE))
  assert.is(sending.count('POST 201'), 5)
  assert.is(sending.count('PATCH 204'), 4)
  const path = pathOf(sending.upload)
  await assertStored(line.server, path, FILE)
  await partsGone(line.server)
  await finishedRows(line.server, 1)
})

// tus-js-client does not ask again for a final by itself: it is the user who presses "again".
for (const { flags, sentAgain, files, name } of [
  { flags: [], sentAgain: 4, files: 2, name: 'with the parts gone, sends them again' },
  {
    flags: ['--keep-partials', '1h'],
    sentAgain: 0,
    files: 1,
    name: 'with --keep-partials 1h, sends no byte again and gets the same file',
  },
]) {
  test(`started again after the final's answer was lost, ${name}`, async (line) => {
    await open(line, flags)
    line.proxy.failAnswer('reset', JOINED)
    const sending = new FourParts(line.url)
    const { error } = await sending.start()
    assert.ok(error, 'it gives up')
    assert.is(line.proxy.outstanding, 0)
    await finishedRows(line.server, 1)
    if (sentAgain > 0) await partsGone(line.server)
    const { digest } = await sending.start()
    assert.is(sending.count('PATCH 204'), sentAgain)
    assert.is(digest, reprDigestOf(FILE))
    await assertStored(line.server, pathOf(sending.upload), FILE)
    await finishedRows(line.server, files)
    await idle(line.server)
  })
}

test('takes all four parts back with abort(true)', async (line) => {
  await open(line)
  for (let part = 0; part < 4; part++) line.proxy.fail('silence', 3 * MIB)
  const sending = new FourParts(line.url)
  sending.upload.start()
  await eventually(WITHIN_MS, 'four silent parts', async () => {
    return line.proxy.outstanding === 0 ? true : undefined
  })
  await sending.upload.abort(true)
  await eventually(WITHIN_MS, 'the end of the parts', async () => {
    return storedNames(line.server).length === 0 ? true : undefined
  })
  // The client does not await its requests: one under way would fail with the proxy, outside of any test.
  await eventually(WITHIN_MS, 'the answers', async () => {
    return sending.count('DELETE 204') + sending.count('DELETE 404') === 4 ? true : undefined
  })
  await idle(line.server)
})

test.run()
