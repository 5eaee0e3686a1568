import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FilesEngine } from '../../server/files/engine.js'
import { Arena } from '../../server/intake/arena.js'
import type { Block } from '../../server/model/body.js'
import type { UnannouncedChecksum } from '../../server/model/checksum.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { UploadHooks } from '../../server/uploads/upload-hooks.js'
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
  const sink = sinkOf(upload, { arena, engine }, trailing, () => {
    proofs += 1
  })
  await sink.write([filled(arena, 0, BYTES)], false)
  await sink.write([], true)
  if (sink.isHeld) await sink.verify(trailing?.sent() ?? null)
  return proofs
}

function sinkOf(
  upload: StoredUpload,
  { arena, engine }: { arena: Arena; engine: UploadSinkParts['tools']['engine'] },
  trailing: UnannouncedChecksum | null,
  start: () => void,
  received: (bytes: number) => void = () => {},
  hooks: UploadHooks | null = null,
): UploadSink {
  const tools: UploadSinkParts['tools'] = {
    ...{ engine, sniffBytes: 512, hooks, now: Date.now, monotonic: () => performance.now() },
    sniff: async () => ({ accepted: true, type: 'text/plain' }),
    view: (index, bytes) => arena.view(index, bytes),
    announce: () => {},
    received,
  }
  const saver = { saveLater: () => {}, note: async () => {}, save: async () => {} }
  const body = { head: new Uint8Array(), checksums: [], trailing }
  return new UploadSink(upload, body, { tools, saver, prover: { start } })
}

/** A block of the arena with bytes `from` to `to` of the file. */
function filled(arena: Arena, from: number, to: number): Block {
  const index = arena.take() ?? 0
  const bytes = Buffer.from(Uint8Array.from({ length: to - from }, (_, i) => from + i))
  arena.fill(index, 0, bytes)
  return { index, bytes: bytes.length }
}

/** What a sink needs of an engine, so that a test may replace one of them. */
function methodsOf(engine: FilesEngine): UploadSinkParts['tools']['engine'] {
  return {
    append: (...given) => engine.append(...given),
    isFull: () => engine.isFull(),
    commit: (...given) => engine.commit(...given),
    rollBack: (...given) => engine.rollBack(...given),
    checksum: (...given) => engine.checksum(...given),
  }
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

test('the last batch is stored behind one that is still being stored, and counts after it', async (place) => {
  const { arena, engine } = place
  const upload = await stored(engine, null)
  upload.setType('text/plain')
  const counted: number[] = []
  const append: typeof engine.append = async (id, appended) => {
    const done = await engine.append(id, appended)
    // The answer about the first batch is the later one here.
    if (appended.position === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    return done
  }
  const slow = { ...methodsOf(engine), append }
  const sink = sinkOf(upload, { arena, engine: slow }, null, assert.unreachable, (bytes) =>
    counted.push(bytes),
  )
  const first = sink.write([filled(arena, 0, 600)], false)
  assert.ok(sink.takesLastAtOnce)
  await Promise.all([first, sink.write([filled(arena, 600, BYTES)], true)])
  assert.equal([counted, upload.offset, upload.digestLive], [[600, BYTES - 600], BYTES, true])
  const whole = Buffer.from(Uint8Array.from({ length: BYTES }, (_, i) => i))
  assert.equal(upload.checkpoints, [
    { offset: BYTES, sha256: createHash('sha256').update(whole).digest('hex') },
  ])
  await engine.close(ID)
})

test('nothing of a last batch counts where the one before it could not be stored', async (place) => {
  const { arena, engine } = place
  const upload = await stored(engine, null)
  upload.setType('text/plain')
  const append: typeof engine.append = (id, appended) => {
    return appended.position === 0
      ? Promise.reject(new Error('ENOSPC: no space left'))
      : engine.append(id, appended)
  }
  const sink = sinkOf(upload, { arena, engine: { ...methodsOf(engine), append } }, null, assert.unreachable)
  const both = [
    sink.write([filled(arena, 0, 600)], false),
    sink.write([filled(arena, 600, BYTES)], true),
  ].map((written) => written.then(String, String))
  assert.equal(await Promise.all(both), Array(2).fill('Error: ENOSPC: no space left'))
  assert.equal([upload.offset, upload.checkpoints], [0, []])
  assert.equal(await engine.measure(ID), { storedBytes: 0, hasFacts: true })
  await engine.close(ID)
})

test('an end without bytes asks for no second digest behind the one that was the last', async (place) => {
  const { arena, engine } = place
  const upload = await stored(engine, null)
  upload.setType('text/plain')
  const sink = sinkOf(upload, { arena, engine }, null, assert.unreachable)
  await Promise.all([sink.write([filled(arena, 0, BYTES)], false), sink.write([], true)])
  assert.equal([upload.offset, upload.digestLive, upload.checkpoints.length], [BYTES, true, 1])
  await engine.close(ID)
})

test('the last batch waits until the one before has its place in the file, also where its type is decided', async (place) => {
  const upload = await stored(place.engine, null)
  let isAppended = false
  const engine = methodsOf(place.engine)
  engine.append = (...given) => {
    isAppended = true
    return place.engine.append(...given)
  }
  const sink = sinkOf(upload, { ...place, engine }, null, () => {})
  const first = sink.write([filled(place.arena, 0, 600)], false)
  const seen = new Set<boolean>()
  while (!isAppended) {
    seen.add(sink.takesLastAtOnce)
    await Promise.resolve()
  }
  const then = sink.takesLastAtOnce
  await first
  await place.engine.close(ID)
  assert.equal([upload.type, [...seen], then], ['text/plain', [false], true])
})

test('"at least once, whatever crashes": that a part is whole is noted before its last bytes are stored', async (place) => {
  const upload = await stored(place.engine, 'partial')
  const storedBytes: (number | undefined)[] = []
  const nothing = (): void => {}
  const finishing = {
    ...{ expect: nothing, withdraw: nothing, forget: nothing, confirm: () => true },
    intend: async () => void storedBytes.push((await place.engine.measure(ID)).storedBytes),
    ...{ failed: async () => {}, written: async () => {} },
  }
  const decider = { listensTo: () => false, decide: async () => ({}) }
  const clocks = { now: Date.now, monotonic: () => 0 }
  const hooks = new UploadHooks({ decider, finishing, received: null, progressIntervalMs: 0, ...clocks })
  const sink = sinkOf(upload, place, null, assert.unreachable, nothing, hooks)
  assert.not(sink.takesLastAtOnce)
  await sink.write([filled(place.arena, 0, 600)], false)
  await sink.write([filled(place.arena, 600, BYTES)], true)
  await place.engine.close(ID)
  assert.equal([storedBytes, upload.offset], [[600], BYTES])
})

test.run()
