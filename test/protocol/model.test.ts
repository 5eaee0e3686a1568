import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { PseudoFile } from '../helpers/sender.js'
import { locationOf, startServer, type TestServer, tus } from '../helpers/server.js'
import { MOST_BYTES, type Step, story } from './model-steps.js'
import { answered, ModelUpload } from './model-upload.js'

const test = suite('model')

const TIME_MS = 30_000
const MOST_STORIES = 2_000
/** More than any story can bring. */
const CONTENT_BYTES = 16 * MOST_BYTES
const TOO_LONG_BYTES = 2 ** 40

const seed = Number(process.env.MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** The path to a failed and shrunk story, as fast-check prints it. */
const path = process.env.MODEL_PATH

const pseudo = new PseudoFile(seed, CONTENT_BYTES)
const content = Buffer.concat(
  Array.from({ length: CONTENT_BYTES / 2 ** 18 }, (_, i) => pseudo.read(i * 2 ** 18, CONTENT_BYTES)),
)

let server: TestServer

test.after(async () => {
  await server.stop('SIGKILL')
})

const STEPS: { [Kind in Step['kind']]: (upload: ModelUpload, step: Step & { kind: Kind }) => Promise<void> } =
  {
    patch: async (upload, { bytes, chunked, extra }) => {
      const { offset } = upload
      const fit = upload.room(bytes)
      const answer = await upload.patch(server, { offset, bytes: fit, chunked, extra })
      if (!extra || answer.status === 204) return upload.stored(answer, fit)
      // The parser may meet what is no request before the body's end is answered; the body counts all the same.
      answered(answer, 400)
      await upload.settle(server, offset, offset + fit)
    },

    'wrong offset': async (upload, { bytes, chunked, by }) => {
      const offset = Math.max(0, upload.offset + by)
      if (offset === upload.offset) return
      answered(await upload.patch(server, { offset, bytes, chunked }), 409)
    },

    overrun: async (upload, { over, chunked }) => {
      const { offset, length, finished } = upload
      if (length === null) return
      const answer = await upload.patch(server, { offset, bytes: length - offset + over, chunked })
      answered(answer, 413)
      // A declared length is refused before a byte; of chunks, whole blocks before the end may be stored.
      if (chunked && !finished) await upload.settle(server, offset, length - 1)
    },

    cut: async (upload, { bytes, share, chunked, reset }) => {
      const fit = upload.room(bytes)
      if (fit === 0) return
      const only = Math.min(fit - 1, Math.floor(share * fit))
      const { offset } = upload
      const connection = await upload.send(server, { offset, bytes: fit, chunked, only })
      if (reset) connection.cut()
      else connection.socket.end()
      await upload.settle(server, offset, offset + only)
    },

    empty: async (upload, { chunked }) => {
      upload.stored(await upload.patch(server, { offset: upload.offset, bytes: 0, chunked }), 0)
    },

    declare: async (upload, { room, bytes, chunked }) => {
      const { offset, length } = upload
      const declares = offset + room
      if (declares < 0) return
      if (length !== null || room < 0) {
        const answer = await upload.patch(server, { offset, bytes: 0, chunked, declares })
        answered(answer, 400)
        return
      }
      const tooLong = await upload.patch(server, { offset, bytes: 0, chunked, declares: TOO_LONG_BYTES })
      answered(tooLong, 413)
      const fit = Math.min(room, bytes)
      const answer = await upload.patch(server, { offset, bytes: fit, chunked, declares })
      upload.length = declares
      upload.stored(answer, fit)
    },

    'declare and overrun': async (upload, { room, over, chunked }) => {
      const { offset, length } = upload
      if (length !== null) return
      const declares = offset + room
      const answer = await upload.patch(server, { offset, bytes: room + over, chunked, declares })
      answered(answer, 413)
      // With its body refused unread the request did nothing; with chunks it had begun. The length is not kept.
      if (chunked && room > 0) await upload.settle(server, offset, declares - 1)
    },

    head: async () => {},

    delete: async (upload) => {
      answered(await tus.remove(server, upload.path), 204)
      upload.gone = true
    },

    kill: async (upload, { bytes, share }) => {
      const { offset } = upload
      const fit = upload.room(bytes)
      const only = Math.min(Math.max(0, fit - 1), Math.floor(share * fit))
      const connection =
        fit > 0 ? await upload.send(server, { offset, bytes: fit, chunked: false, only }) : undefined
      await server.stop('SIGKILL')
      connection?.socket.destroy()
      server = await startServer([], server.dataDir)
      await upload.settle(server, offset, offset + only)
    },
  }

/** Takes one step; of an upload that is gone, every request is answered 404. */
async function take<Kind extends Step['kind']>(
  upload: ModelUpload,
  step: Step & { kind: Kind },
): Promise<void> {
  if (!upload.gone) await STEPS[step.kind](upload, step)
  else if (step.kind !== 'kill') {
    answered(await upload.patch(server, { offset: 0, bytes: 1, chunked: false }), 404)
    answered(await tus.remove(server, upload.path), 404)
  }
  await upload.check(server)
}

/** Brings an upload to its end, whatever became of it, and holds the file against what was sent. */
async function conclude(upload: ModelUpload): Promise<void> {
  if (upload.gone) return
  const { offset, length } = upload
  const bytes = length === null ? 1 : length - offset
  const declares = length === null ? { declares: offset + bytes } : {}
  const answer = await upload.patch(server, { offset, bytes, chunked: false, ...declares })
  upload.length = offset + bytes
  upload.stored(answer, bytes)
  await upload.check(server)
  upload.checkBytes(server)
  answered(await tus.remove(server, upload.path), 204)
}

test('answers every sequence of requests, cuts and kills as a model of one upload does', async () => {
  console.log(`model: MODEL_SEED=${seed}`)
  server = await startServer()
  const until = Date.now() + TIME_MS
  let stories = 0
  const property = fc.asyncProperty(story, async ({ length, steps }) => {
    // Looked at here, because fast-check's own limit would leave the story it ends running on.
    if (Date.now() > until) return
    stories += 1
    const created = await tus.create(server, length)
    answered(created, 201)
    const upload = new ModelUpload(new URL(locationOf(created)).pathname, content, length)
    await upload.check(server)
    for (const step of steps) await take(upload, step)
    await conclude(upload)
  })
  await fc.assert(property, {
    seed,
    ...(path === undefined ? {} : { path }),
    numRuns: MOST_STORIES,
    endOnFailure: path !== undefined,
    includeErrorInReport: true,
  })
  console.log(`model: ${stories} stories`)
  await unharmed(server)
  assert.equal(filesIn(server), [])
})

test.run()
