import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FilesEngine } from '../../server/files/engine.js'
import { Arena } from '../../server/intake/arena.js'
import type { Block } from '../../server/model/body.js'
import type { UnannouncedChecksum } from '../../server/model/checksum.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { UploadSink, type UploadSinkParts } from '../../server/uploads/upload-sink.js'
import { temporaryFolder } from '../helpers/server.js'
import { uploadOf } from '../helpers/stored-upload.js'

const ID = `20261125-${'b'.repeat(32)}`
const BYTES = 1024

const test = suite<{ arena: Arena; engine: FilesEngine }>('upload-sink')
test.before.each(async (place) => {
  place.arena = new Arena({ blocks: 4, blockBytes: 64 * 1024 })
  const clocks = { now: Date.now, monotonic: () => performance.now() }
  const { arena } = place
  place.engine = await FilesEngine.start({
    dataDir: temporaryFolder(),
    arena,
    minFreeBytes: 0,
    log: console,
    digestThreads: 1,
    ...clocks,
  })
})
test.after.each(({ engine }) => engine.end())

/** An upload of 1024 bytes that has none yet. */
async function stored(engine: FilesEngine, concat: string | null): Promise<StoredUpload> {
  const upload = uploadOf(ID, { length: BYTES, concat })
  await engine.create(ID, () => upload.toFacts(), { durable: false })
  return upload
}

/** Takes a body whose last batch is empty, because its end came behind its bytes; tells how often a proof began. */
async function receive(
  upload: StoredUpload,
  { arena, engine }: { arena: Arena; engine: FilesEngine },
  trailing: UnannouncedChecksum | null,
): Promise<number> {
  let proofs = 0
  const tools: UploadSinkParts['tools'] = {
    ...{ engine, sniffBytes: 512, hooks: null, now: Date.now, monotonic: () => performance.now() },
    sniff: async () => ({ accepted: true, type: 'text/plain' }),
    view: (index, bytes) => arena.view(index, bytes),
    announce: () => {},
    received: () => {},
  }
  const saver = { saveLater: () => {}, note: async () => {}, save: async () => {} }
  const prover = {
    start: (): void => {
      proofs += 1
    },
  }
  const body = { head: new Uint8Array(), checksums: [], trailing }
  const sink = new UploadSink(upload, body, { tools, saver, prover })
  const index = arena.take() ?? 0
  arena.fill(index, 0, Buffer.alloc(BYTES, 'a'))
  const block: Block = { index, bytes: BYTES }
  await sink.write([block], false)
  await sink.write([], true)
  if (sink.isHeld) await sink.verify(trailing?.sent() ?? null)
  return proofs
}

const CHUNKED: UnannouncedChecksum = { hasCome: () => false, sent: () => null, isOfNothing: () => true }

test('a body that might have ended in a trailer leaves no digest behind in the thread', async (place) => {
  const upload = await stored(place.engine, null)
  await receive(upload, place, CHUNKED)
  assert.equal(
    upload.checkpoints.map(({ offset }) => offset),
    [BYTES],
  )
  assert.is(await place.engine.digest(ID, BYTES), null)
})

test('a part whose last bytes come before the end of its body is not read again', async (place) => {
  const upload = await stored(place.engine, 'partial')
  assert.is(await receive(upload, place, null), 0)
  assert.ok(upload.digestLive)
  await place.engine.close(ID)
})

test('nothing is left of a body whose trailer has another checksum, not even what was digested of it', async (place) => {
  const upload = await stored(place.engine, null)
  const trailing: UnannouncedChecksum = {
    hasCome: () => true,
    sent: () => ({ algorithm: 'sha1', digest: '0'.repeat(40) }),
    isOfNothing: () => false,
  }
  const failed = await receive(upload, place, trailing).catch((error: unknown) => error)
  assert.match(String(failed), /checksum/i)
  assert.equal([upload.offset, upload.type, upload.checkpoints], [0, null, []])
  assert.equal(await place.engine.measure(ID), { storedBytes: 0, hasFacts: true })
})

test.run()
