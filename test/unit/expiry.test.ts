import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createId } from '../../server/model/upload-id.js'
import { Expiry } from '../../server/uploads/expiry.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { MemoryStorage } from '../helpers/memory-storage.js'
import { keep, noBlocks, uploadOf } from '../helpers/stored-upload.js'

const test = suite<{ storage: MemoryStorage }>('expiry')
test.before.each((place) => {
  place.storage = new MemoryStorage()
})

const NOW = new Date('2026-11-25T12:00:00Z')
const HOUR_MS = 3_600_000

/** Keeps an unfinished upload of four bytes whose last change was so many hours ago. */
function stored(
  storage: MemoryStorage,
  number: number,
  bytes: string,
  age: number,
  parts: readonly string[] | null = null,
): string {
  const at = new Date(NOW.getTime() - age * HOUR_MS)
  const id = createId(at, number.toString(16).padStart(32, '0'))
  const concat = parts ? 'final;x' : null
  const since = { createdAt: at.toISOString(), touchedAtMs: at.getTime() }
  keep(storage, uploadOf(id, { length: 4, offset: bytes.length, concat, parts, ...since }), bytes)
  return id
}

function expiryOver(storage: MemoryStorage, held: readonly string[] = [], stuck = '') {
  const unfinished = new Unfinished(100_000)
  const seen = { batches: [] as string[][], tended: [] as string[] }
  const engine = new MemoryEngine(noBlocks, storage)
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const expiry = new Expiry({
    ...{ engine, log, unfinished, againMs: 60_000, now: () => NOW.getTime() },
    terms: { expireAfterMs: 24 * HOUR_MS, keepPartialsMs: 0 },
    inMemory: () => undefined,
    underLocks: (ids, work) => work(ids.filter((id) => !held.includes(id))),
    expire: async (uploads) => {
      if (uploads.some(({ id }) => id === stuck)) throw new Error('EPERM: the file cannot be removed')
      seen.batches.push(uploads.map(({ id }) => id))
      for (const { id } of uploads) unfinished.delete(id)
      return uploads
    },
    handleDue: async (id) => {
      seen.tended.push(id)
      if (id === stuck) throw new Error('EIO: i/o error, write')
      return 'waiting'
    },
    isReceiving: () => false,
  })
  return { expiry, unfinished, seen, engine }
}

test('an upload that never got a byte expires after an hour, one with bytes after --expire-after', async ({
  storage,
}) => {
  const { expiry, unfinished, seen } = expiryOver(storage)
  const ids = [
    stored(storage, 1, '', 1),
    stored(storage, 2, 'a', 1),
    stored(storage, 3, 'a', 24),
    stored(storage, 4, '', 0),
  ]
  for (const id of ids) unfinished.set(id, 0)
  await expiry.run()
  assert.equal(seen.batches.flat().sort(), [ids[0], ids[2]].sort())
  assert.equal(
    ids.filter((id) => unfinished.has(id)),
    [ids[1], ids[3]],
  )
  assert.equal(unfinished.due(NOW.getTime() + HOUR_MS - 1, 10), [])
  assert.equal(unfinished.due(NOW.getTime() + HOUR_MS, 10), [ids[3]])
})

test('many are removed in few batches', async ({ storage }) => {
  const { expiry, unfinished, seen } = expiryOver(storage)
  for (let number = 0; number < 600; number++) unfinished.set(stored(storage, number, '', 2), 0)
  await expiry.run()
  assert.equal(
    seen.batches.map(({ length }) => length),
    [256, 256, 88],
  )
  assert.is(unfinished.size, 0)
})

test('one that is held stays, one whose files are gone is forgotten, and neither comes at once again', async ({
  storage,
}) => {
  const [held, gone] = [stored(storage, 1, '', 2), stored(storage, 2, '', 2)]
  storage.uploads.delete(gone)
  const { expiry, unfinished, seen } = expiryOver(storage, [held])
  unfinished.set(held, 0)
  unfinished.set(gone, 0)
  await expiry.run()
  assert.equal(seen.batches, [])
  assert.not(unfinished.has(gone))
  assert.equal(unfinished.due(NOW.getTime() + 59_999, 10), [])
  assert.equal(unfinished.due(NOW.getTime() + 60_000, 10), [held])
})

test('one that cannot be removed, and one that cannot be read, do not keep the others', async ({
  storage,
}) => {
  const [stuck, unreadable] = [stored(storage, 1, '', 2), stored(storage, 2, '', 2)]
  const others = [stored(storage, 3, '', 2), stored(storage, 4, '', 2)]
  const { expiry, unfinished, seen, engine } = expiryOver(storage, [], stuck)
  const { load } = engine
  engine.load = async (id) => {
    if (id === unreadable) throw new Error('EIO: i/o error, read')
    return load.call(engine, id)
  }
  for (const id of [stuck, unreadable, ...others]) unfinished.set(id, 0)
  await expiry.run()
  assert.equal(seen.batches.flat().sort(), others.sort())
  assert.equal(unfinished.due(NOW.getTime() + 60_000, 10).sort(), [stuck, unreadable].sort())
})

test('what is whole is finished, and a final upload is looked at, however old they are', async ({
  storage,
}) => {
  const { expiry, unfinished, seen } = expiryOver(storage)
  const ids = [stored(storage, 1, 'abcd', 2), stored(storage, 2, '', 30, ['part'])]
  for (const id of ids) unfinished.set(id, 0)
  await expiry.run()
  await expiry.ended()
  assert.equal(seen.batches, [])
  assert.equal(seen.tended.sort(), ids.sort())
})

test('what is due with one upload and fails keeps nothing from the others, now or later', async ({
  storage,
}) => {
  const ids = [stored(storage, 1, 'abcd', 2), stored(storage, 2, 'abcd', 2)]
  const { expiry, unfinished, seen } = expiryOver(storage, [], ids[0])
  for (const id of ids) unfinished.set(id, 0)
  await expiry.run()
  await expiry.ended()
  assert.equal(seen.tended.sort(), ids.sort())
})

test.run()
