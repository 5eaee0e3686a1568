import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { pathsOf } from '../../server/files/paths.js'
import { DigestThread } from '../../server/files/thread.js'
import { Arena } from '../../server/intake/arena.js'
import type { Block } from '../../server/model/body.js'
import type { UnannouncedChecksum } from '../../server/model/checksum.js'
import type { Prover } from '../../server/uploads/prover.js'
import { Receiver } from '../../server/uploads/receiver.js'
import type { Saver } from '../../server/uploads/saver.js'
import type { StorageTools } from '../../server/uploads/tools.js'
import { StoredUpload } from '../../server/uploads/upload.js'
import { temporaryFolder } from '../helpers/server.js'

const ID = `20261125-${'b'.repeat(32)}`
const BYTES = 1024

const test = suite<{ arena: Arena; thread: DigestThread }>('receiver')
test.before.each((place) => {
  place.arena = new Arena({ blocks: 4, blockBytes: 64 * 1024 })
  place.thread = new DigestThread(place.arena)
})
test.after.each(({ thread }) => thread.close())

/** An upload of 1024 bytes that has none yet. */
function stored(concat: string | null): StoredUpload {
  const at = {
    createdAt: new Date().toISOString(),
    touchedAtMs: Date.now(),
    joinedAt: null,
    terminatedAt: null,
  }
  const told = { metadata: null, filename: null, declaredType: null, concat, parts: null }
  const open = { type: null, checkpoints: [], sha256: null, finishedAt: null, verifiedTo: null }
  const facts = { id: ID, length: BYTES, offset: 0, bootId: 'boot', ...at, ...told, ...open }
  const upload = new StoredUpload(facts, pathsOf(temporaryFolder(), ID))
  mkdirSync(dirname(upload.paths.file), { recursive: true })
  writeFileSync(upload.paths.file, '')
  return upload
}

/** Takes a body whose last batch is empty, because its end came behind its bytes; tells how often a proof began. */
async function receive(
  upload: StoredUpload,
  { arena, thread }: { arena: Arena; thread: DigestThread },
  trailing: UnannouncedChecksum | null,
): Promise<number> {
  let proofs = 0
  const tools: StorageTools = Object.assign(Object.create(null), {
    ...{ thread, sniffBytes: 512, now: Date.now, monotonic: () => performance.now() },
    sniff: async () => ({ accepted: true, type: 'text/plain' }),
    view: (index: number, bytes: number) => arena.view(index, bytes),
    disk: { isFull: async () => false },
    record: () => {},
  })
  const saver: Saver = Object.assign(Object.create(null), { saveLater: () => {}, note: async () => {} })
  const start = (): void => {
    proofs += 1
  }
  const prover: Prover = Object.assign(Object.create(null), { start })
  const body = { head: new Uint8Array(), checksums: [], trailing }
  const receiver = new Receiver(upload, body, { tools, saver, prover })
  const index = arena.take() ?? 0
  arena.fill(index, 0, Buffer.alloc(BYTES, 'a'))
  const block: Block = { index, bytes: BYTES }
  await receiver.write([block], false)
  await receiver.write([], true)
  return proofs
}

const CHUNKED: UnannouncedChecksum = { hasCome: () => false, sent: () => null, isOfNothing: () => true }

test('a body that might have ended in a trailer leaves no digest behind in the thread', async (place) => {
  const upload = stored(null)
  await receive(upload, place, CHUNKED)
  assert.equal(
    upload.checkpoints.map(({ offset }) => offset),
    [BYTES],
  )
  assert.is(await place.thread.digest({ id: ID, offset: BYTES }), null)
})

test('a part whose last bytes come before the end of its body is not read again', async (place) => {
  const upload = stored('partial')
  assert.is(await receive(upload, place, null), 0)
  assert.ok(upload.digestLive)
  await place.thread.closeFile(ID)
})

test.run()
