import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createId, pathsOf } from '../../server/files/paths.js'
import { formatSidecar } from '../../server/model/sidecar.js'
import { Expiry } from '../../server/uploads/expiry.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import { StoredUpload } from '../../server/uploads/upload.js'

const test = suite<{ dataDir: string }>('expiry')
test.before.each((place) => {
  place.dataDir = mkdtempSync(join(tmpdir(), 'lading-expiry-'))
})
test.after.each(({ dataDir }) => rmSync(dataDir, { recursive: true }))

const NOW = new Date('2026-11-25T12:00:00Z')
const HOUR_MS = 3_600_000

/** Writes an unfinished upload whose last change was so many hours ago. */
function stored(
  dataDir: string,
  number: number,
  bytes: string,
  age: number,
  parts: readonly string[] | null = null,
) {
  const at = new Date(NOW.getTime() - age * HOUR_MS)
  const id = createId(at, number.toString(16).padStart(32, '0'))
  const facts = {
    ...{ id, createdAt: at.toISOString(), length: 4, metadata: null, filename: null, declaredType: null },
    ...{
      type: null,
      bootId: 'boot',
      verifiedTo: null,
      concat: parts ? 'final;x' : null,
      parts,
      joinedAt: null,
      terminatedAt: null,
    },
    ...{ checkpoints: [], offset: bytes.length, sha256: null, finishedAt: null, touchedAtMs: at.getTime() },
  }
  const upload = new StoredUpload(facts, pathsOf(dataDir, id))
  mkdirSync(dirname(upload.paths.file), { recursive: true })
  writeFileSync(upload.paths.file, bytes)
  utimesSync(upload.paths.file, at, at)
  writeFileSync(upload.paths.sidecar, formatSidecar(upload.toSidecar(at.getTime(), 'boot')))
  return id
}

function expiryOver(dataDir: string, held: readonly string[] = [], stuck = '') {
  const unfinished = new Unfinished(100_000)
  const seen = { batches: [] as string[][], tended: [] as string[] }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const expiry = new Expiry({
    ...{ dataDir, bootId: 'boot', log, unfinished, againMs: 60_000, now: () => NOW.getTime() },
    terms: { expireAfterMs: 24 * HOUR_MS, keepPartialsMs: 0 },
    inMemory: () => undefined,
    underLocks: (ids, work) => work(ids.filter((id) => !held.includes(id))),
    expire: async (uploads) => {
      if (uploads.some(({ id }) => id === stuck)) throw new Error('EPERM: the file cannot be removed')
      seen.batches.push(uploads.map(({ id }) => id))
      for (const { id } of uploads) unfinished.delete(id)
      return uploads
    },
    tend: async (id) => {
      seen.tended.push(id)
      return 'waiting'
    },
    isReceiving: () => false,
  })
  return { expiry, unfinished, seen }
}

test('an upload that never got a byte expires after an hour, one with bytes after --expire-after', async ({
  dataDir,
}) => {
  const { expiry, unfinished, seen } = expiryOver(dataDir)
  const ids = [
    stored(dataDir, 1, '', 1),
    stored(dataDir, 2, 'a', 1),
    stored(dataDir, 3, 'a', 24),
    stored(dataDir, 4, '', 0),
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

test('many are removed in few batches', async ({ dataDir }) => {
  const { expiry, unfinished, seen } = expiryOver(dataDir)
  for (let number = 0; number < 600; number++) unfinished.set(stored(dataDir, number, '', 2), 0)
  await expiry.run()
  assert.equal(
    seen.batches.map(({ length }) => length),
    [256, 256, 88],
  )
  assert.is(unfinished.size, 0)
})

test('one that is held stays, one whose files are gone is forgotten, and neither comes at once again', async ({
  dataDir,
}) => {
  const [held, gone] = [stored(dataDir, 1, '', 2), stored(dataDir, 2, '', 2)]
  rmSync(pathsOf(dataDir, gone).file)
  const { expiry, unfinished, seen } = expiryOver(dataDir, [held])
  unfinished.set(held, 0)
  unfinished.set(gone, 0)
  await expiry.run()
  assert.equal(seen.batches, [])
  assert.not(unfinished.has(gone))
  assert.equal(unfinished.due(NOW.getTime() + 59_999, 10), [])
  assert.equal(unfinished.due(NOW.getTime() + 60_000, 10), [held])
})

test('one that cannot be removed, and one that cannot be read, do not keep the others', async ({
  dataDir,
}) => {
  const [stuck, unreadable] = [stored(dataDir, 1, '', 2), stored(dataDir, 2, '', 2)]
  const others = [stored(dataDir, 3, '', 2), stored(dataDir, 4, '', 2)]
  rmSync(pathsOf(dataDir, unreadable).sidecar)
  mkdirSync(pathsOf(dataDir, unreadable).sidecar)
  const { expiry, unfinished, seen } = expiryOver(dataDir, [], stuck)
  for (const id of [stuck, unreadable, ...others]) unfinished.set(id, 0)
  await expiry.run()
  assert.equal(seen.batches.flat().sort(), others.sort())
  assert.equal(unfinished.due(NOW.getTime() + 60_000, 10).sort(), [stuck, unreadable].sort())
})

test('what is whole is finished, and a final upload is looked at, however old they are', async ({
  dataDir,
}) => {
  const { expiry, unfinished, seen } = expiryOver(dataDir)
  const ids = [stored(dataDir, 1, 'abcd', 2), stored(dataDir, 2, '', 30, ['part'])]
  for (const id of ids) unfinished.set(id, 0)
  await expiry.run()
  await expiry.settled()
  assert.equal(seen.batches, [])
  assert.equal(seen.tended.sort(), ids.sort())
})

test.run()
