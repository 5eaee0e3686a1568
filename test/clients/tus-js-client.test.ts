import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { DetailedError } from 'tus-js-client'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, idle } from '../helpers/health.js'
import {
  NO_INPUT,
  pathOf,
  pieces,
  readerOf,
  type Success,
  sendWith,
  Upload,
  type UploadOptions,
} from '../helpers/js-client.js'
import { assertStored, reprDigestOf, rowsOf } from '../helpers/proof.js'
import { offsetOf, PseudoFile } from '../helpers/sender.js'
import { eventually, idOf, startServer, type TestServer, temporaryFolder, tus } from '../helpers/server.js'
import { bounded } from '../helpers/test.js'

const test = suite<{ server: TestServer }>('tus-js-client')

const MIB = 2 ** 20
const SMALL = new PseudoFile(1, 20 * MIB + 7)

test.before(async (context) => {
  context.server = await startServer()
})

test.after(async ({ server }) => {
  try {
    await idle(server)
  } finally {
    await server.stop('SIGKILL')
  }
})

async function assertArrived(server: TestServer, sent: Success, file: PseudoFile): Promise<void> {
  assert.is(sent.digest, reprDigestOf(file), 'the digest in the last answer')
  await assertStored(server, sent.path, file)
}

/** Starts an upload and resolves once the server has acknowledged, or just received, some of it. */
async function begun(server: TestServer, file: PseudoFile, options: UploadOptions = {}): Promise<Upload> {
  const underWay = new Promise<Upload>((resolve, reject) => {
    const upload: Upload = new Upload(NO_INPUT, {
      endpoint: server.url,
      fileReader: readerOf(file),
      onError: reject,
      onProgress: (sent) => {
        if (sent > file.size / 4) resolve(upload)
      },
      ...options,
    })
    upload.start()
  })
  return bounded(30_000, underWay, 'the first quarter')
}

test('sends a file of 64 MiB with its default options in one PATCH', async ({ server }) => {
  const file = new PseudoFile(2, 64 * MIB)
  const path = join(temporaryFolder(), 'file.bin')
  await writeFile(path, pieces(file))
  const sent = await sendWith(server, createReadStream(path), { metadata: { filename: 'file.bin' } })
  assert.equal(sent.answers, ['POST 201', 'PATCH 204'])
  await assertArrived(server, sent, file)
})

test('sends chunks of 8 MiB, a PATCH each', async ({ server }) => {
  const sent = await sendWith(server, NO_INPUT, { fileReader: readerOf(SMALL), chunkSize: 8 * MIB })
  assert.equal(sent.answers, ['POST 201', 'PATCH 204', 'PATCH 204', 'PATCH 204'])
  await assertArrived(server, sent, SMALL)
})

test('sends a stream whose length it learns at the end', async ({ server }) => {
  const lengths: (string | undefined)[] = []
  const sent = await sendWith(server, Readable.from(pieces(SMALL), { objectMode: false }), {
    uploadLengthDeferred: true,
    chunkSize: 8 * MIB,
    onBeforeRequest: (request) => {
      lengths.push(request.getHeader('Upload-Length'))
    },
  })
  assert.equal(lengths, [undefined, undefined, undefined, `${SMALL.size}`])
  await assertArrived(server, sent, SMALL)
})

test('sends data with the creation', async ({ server }) => {
  const whole = await sendWith(server, NO_INPUT, {
    fileReader: readerOf(SMALL),
    uploadDataDuringCreation: true,
  })
  assert.equal(whole.answers, ['POST 201'])
  await assertArrived(server, whole, SMALL)
  const first = await sendWith(server, NO_INPUT, {
    fileReader: readerOf(SMALL),
    uploadDataDuringCreation: true,
    chunkSize: 16 * MIB,
  })
  assert.equal(first.answers, ['POST 201', 'PATCH 204'])
  await assertArrived(server, first, SMALL)
})

test('sends POST with X-HTTP-Method-Override where PATCH cannot pass', async ({ server }) => {
  const sent = await sendWith(server, NO_INPUT, { fileReader: readerOf(SMALL), overridePatchMethod: true })
  assert.equal(sent.answers, ['POST 201', 'POST 204'])
  await assertArrived(server, sent, SMALL)
})

test('goes on from a URL it has kept, after an abort', async ({ server }) => {
  const file = new PseudoFile(3, 256 * MIB)
  const upload = await begun(server, file)
  await upload.abort()
  const offset = await offsetOf(server, pathOf(upload))
  assert.ok(offset > 0 && offset < file.size, `${offset} bytes arrived`)
  const started: (string | undefined)[] = []
  const sent = await sendWith(server, NO_INPUT, {
    uploadUrl: upload.url,
    fileReader: readerOf(file),
    onBeforeRequest: (request) => {
      started.push(request.getHeader('Upload-Offset'))
    },
  })
  assert.equal(sent.answers, ['HEAD 200', 'PATCH 204'])
  assert.equal(started, [undefined, `${offset}`])
  await assertArrived(server, sent, file)
})

test('takes an upload back while it runs with abort(true), and nothing of it stays', async ({ server }) => {
  const files = filesIn(server)
  const upload = await begun(server, new PseudoFile(4, 256 * MIB))
  await upload.abort(true)
  const path = pathOf(upload)
  assert.is((await tus.head(server, path)).status, 404)
  assert.equal(filesIn(server), files)
  await eventually(30_000, 'the terminated row', async () => {
    return rowsOf(server).get(idOf(path))?.state === 'terminated' ? true : undefined
  })
})

test('gives 415 to onError for a file whose type is refused, and does not try again', async ({ server }) => {
  const files = filesIn(server)
  const elf = Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(8 * MIB)])
  const answers: string[] = []
  const error = await sendWith(server, elf, {
    onAfterResponse: (request, response) => {
      answers.push(`${request.getMethod()} ${response.getStatus()}`)
    },
  }).then(
    () => assert.unreachable('it was taken'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof DetailedError)) throw error
  assert.is(error.originalResponse?.getStatus(), 415)
  assert.equal(answers, ['POST 201', 'PATCH 415'])
  assert.equal(filesIn(server), files)
})

test.run()
