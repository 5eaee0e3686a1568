import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createId, pathsOf } from '../../server/files/paths.js'
import { formatSidecar } from '../../server/model/sidecar.js'
import { Sweep, type SweepIndex } from '../../server/uploads/sweep.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import { StoredUpload, type UploadRow } from '../../server/uploads/upload.js'
import { Visit } from '../../server/uploads/visit.js'

const test = suite<{ dataDir: string }>('sweep')
test.before.each((place) => {
  place.dataDir = mkdtempSync(join(tmpdir(), 'lading-sweep-'))
})
test.after.each(({ dataDir }) => rmSync(dataDir, { recursive: true }))

const NOW = new Date('2026-11-25T12:00:00Z')
const HOUR_MS = 3_600_000
const SHA256 = 'a'.repeat(64)

interface Kind {
  readonly finished?: boolean
  readonly final?: boolean
  /** Hours before now. */
  readonly age?: number
}

/** Writes an upload's two files, and gives the upload. */
function stored(
  dataDir: string,
  number: number,
  { finished = false, final = false, age = 1 }: Kind,
): StoredUpload {
  const at = new Date(NOW.getTime() - age * HOUR_MS)
  const id = createId(at, number.toString(16).padStart(32, '0'))
  const paths = pathsOf(dataDir, id)
  const upload = new StoredUpload(
    {
      ...{ id, createdAt: at.toISOString(), length: 4, metadata: null, filename: null, declaredType: null },
      ...{ type: null, bootId: 'boot', verifiedTo: null, concat: final ? 'final;/files/x' : null },
      ...{
        parts: final ? [id] : null,
        joinedAt: null,
        terminatedAt: null,
        checkpoints: [],
        offset: finished ? 4 : 2,
      },
      ...{ sha256: finished ? SHA256 : null, finishedAt: finished ? at.toISOString() : null },
      touchedAtMs: at.getTime(),
    },
    paths,
  )
  mkdirSync(dirname(paths.file), { recursive: true })
  writeFileSync(paths.file, finished ? 'abcd' : 'ab')
  utimesSync(paths.file, at, at)
  writeFileSync(paths.sidecar, formatSidecar(upload.toSidecar(at.getTime(), 'boot')))
  return upload
}

const rowOf = (upload: StoredUpload): UploadRow => upload.toRow(upload.changedAtMs)

/** A sweep over a folder, with an index of these rows that may fail. */
function sweepOver(dataDir: string, rows: UploadRow[], fails = false) {
  const seen = {
    ...{ met: [] as string[], metAll: 0, read: [] as string[], restored: [] as string[] },
    /** Called each time when memory is asked for an upload. */
    asked: (_id: string): void => {},
  }
  const index = new Map(rows.map((row) => [row.id, row]))
  const page = (filter: (row: UploadRow) => boolean) => async (afterId: string, limit: number) => {
    if (fails) throw new Error('the database is locked')
    const found = [...index.values()].filter((row) => row.id > afterId && filter(row))
    return found.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit)
  }
  const asked: SweepIndex = {
    unfinished: page(({ state }) => state === 'paused'),
    withFiles: page(() => true),
    finals: async (after) => {
      const found = [...index.values()].filter(
        ({ concat, state }) => concat === 'final' && state === 'finished',
      )
      return found.filter(({ updatedAt }) => updatedAt > after.updatedAt)
    },
    missing: async (ids) => ids.filter((id) => !index.has(id)),
    rows: async (ids) => ids.flatMap((id) => index.get(id) ?? []),
    remove: async (ids) => ids.filter((id) => index.delete(id)).length,
    restore: async (row) => {
      seen.restored.push(row.id)
      index.set(row.id, row)
    },
  }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const unfinished = new Unfinished(1000)
  const terms = { expireAfterMs: 24 * HOUR_MS, keepPartialsMs: 0 }
  const now = () => NOW.getTime()
  const visit = new Visit({
    ...{ dataDir, bootId: 'boot', log, terms, unfinished, now, startedAtMs: NOW.getTime() },
    thread: { remove: async () => {}, replace: async ({ path, text }) => writeFileSync(path, text()) },
    inMemory: (id) => {
      seen.read.push(id)
      seen.asked(id)
      return undefined
    },
    underLock: (_, work) => work(),
    tend: async () => 'waiting',
    indexIsWhole: () => true,
    row: async (id) => index.get(id),
  })
  const sweep = new Sweep({
    ...{ dataDir, visit, index: asked, log, now, expireAfterMs: terms.expireAfterMs },
    isReceiving: () => false,
    isOnDisk: async () => true,
    met: async ({ id }) => void seen.met.push(id),
    metAll: async () => {
      seen.metAll += 1
    },
  })
  return { sweep, seen, unfinished }
}

test('by the index it visits what is unfinished, recent final uploads and names the index lacks, and nothing else', async ({
  dataDir,
}) => {
  const finished = Array.from({ length: 300 }, (_, number) => stored(dataDir, number, { finished: true }))
  const paused = stored(dataDir, 1000, {})
  const recent = stored(dataDir, 1001, { finished: true, final: true })
  const old = stored(dataDir, 1002, { finished: true, final: true, age: 30 })
  const ahead = stored(dataDir, 1003, { finished: true, final: true })
  const lost = stored(dataDir, 1004, { finished: true, final: true })
  const open = stored(dataDir, 1005, { final: true })
  const behind = { ...rowOf(ahead), state: 'paused', sha256: null, finishedAt: null } as const
  const rows = [...finished, paused, recent, old].map(rowOf)
  const { sweep, seen, unfinished } = sweepOver(dataDir, [...rows, behind])
  await sweep.known(new Date(NOW.getTime() - 2 * HOUR_MS).toISOString())
  assert.equal(seen.met.sort(), [recent.id, ahead.id, lost.id].sort())
  assert.equal(seen.restored.sort(), [ahead.id, lost.id, open.id])
  assert.is(seen.metAll, 1)
  assert.ok(sweep.hasSeenAll)
  assert.is(unfinished.size, 2)
  assert.ok(unfinished.has(paused.id))
  const read = new Set(seen.read)
  assert.not(finished.some(({ id }) => read.has(id)) || read.has(old.id))
  assert.ok(read.has(open.id))
})

test('after a clean end it lists no folder', async ({ dataDir }) => {
  const paused = stored(dataDir, 1, {})
  const unknown = stored(dataDir, 2, {})
  const { sweep, seen } = sweepOver(dataDir, [rowOf(paused)])
  await sweep.known(null)
  assert.is(seen.metAll, 1)
  assert.not(seen.read.includes(unknown.id))
})

test('without the index it walks over everything, newest day first, and tells of the end once', async ({
  dataDir,
}) => {
  const [old, recent] = [
    stored(dataDir, 1, { age: 100 }),
    stored(dataDir, 2, { finished: true, final: true }),
  ]
  const { sweep, seen } = sweepOver(dataDir, [], true)
  const failed = await sweep.known(NOW.toISOString()).catch((error: Error) => error.message)
  assert.is(failed, 'the database is locked')
  assert.not(sweep.hasSeenAll)
  const rows: string[] = []
  for await (const { id } of sweep.everything()) rows.push(id)
  assert.equal(rows, [recent.id, old.id])
  assert.equal(seen.met, [recent.id])
  for await (const _ of sweep.everything());
  assert.equal(seen.met, [recent.id])
  assert.is(seen.metAll, 1)
})

test('a pass that the end of the server cuts off does not say that it has seen everything', async ({
  dataDir,
}) => {
  const paused = stored(dataDir, 1, {})
  const { sweep, seen } = sweepOver(dataDir, [rowOf(paused)])
  sweep.stop()
  await sweep.known(NOW.toISOString())
  for await (const _ of sweep.everything());
  await sweep.prove()
  assert.is(seen.metAll, 0)
  assert.not(sweep.hasSeenAll)
})

test('the proof restores what the index has otherwise, and leaves what is the same', async ({ dataDir }) => {
  const [same, wrong] = [
    stored(dataDir, 1, { finished: true }),
    stored(dataDir, 2, { finished: true, age: 70 }),
  ]
  const { sweep, seen } = sweepOver(dataDir, [rowOf(same), { ...rowOf(wrong), offset: 1 }])
  await sweep.prove()
  assert.equal(seen.restored, [wrong.id])
  assert.equal(seen.met, [])
  assert.is(seen.metAll, 0)
})

test('a final upload that waits for its parts comes back into an index that lacks it', async ({
  dataDir,
}) => {
  const open = stored(dataDir, 1, { final: true })
  const { sweep, seen } = sweepOver(dataDir, [])
  const rows: string[] = []
  for await (const { id } of sweep.everything()) rows.push(id)
  assert.equal(rows, [open.id])
  await sweep.prove()
  assert.equal(seen.restored, [open.id])
})

test('bytes that get their sidecar back are an unfinished upload at once', async ({ dataDir }) => {
  const torn = stored(dataDir, 1, {})
  writeFileSync(torn.paths.sidecar, '')
  const { sweep, unfinished } = sweepOver(dataDir, [rowOf(torn)])
  await sweep.known(null)
  assert.ok(unfinished.has(torn.id))
})

test('an upload that is removed while it is visited does not count as unfinished again', async ({
  dataDir,
}) => {
  const paused = stored(dataDir, 1, {})
  const { sweep, seen, unfinished } = sweepOver(dataDir, [rowOf(paused)])
  unfinished.set(paused.id, NOW.getTime() + HOUR_MS)
  // Memory is asked again once the disk was read.
  seen.asked = (id) => {
    if (seen.read.length < 2) return
    rmSync(paused.paths.file, { force: true })
    unfinished.delete(id)
  }
  await sweep.known(null)
  assert.is(unfinished.size, 0)
  assert.equal(seen.restored, [])
})

test.run()
