import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { UploadRecord } from '../../server/model/record.js'
import { createId } from '../../server/model/upload-id.js'
import { UploadLocks } from '../../server/tus/locker.js'
import { Sweep, type SweepIndex } from '../../server/uploads/sweep.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { Visit } from '../../server/uploads/visit.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { MemoryStorage } from '../helpers/memory-storage.js'
import { keep, noBlocks, uploadOf } from '../helpers/stored-upload.js'

const test = suite<{ storage: MemoryStorage }>('sweep')
test.before.each((place) => {
  place.storage = new MemoryStorage()
})

const NOW = new Date('2026-11-25T12:00:00Z')
const HOUR_MS = 3_600_000
const SHA256 = 'a'.repeat(64)

interface Kind {
  readonly finished?: boolean
  readonly final?: boolean
  /** Hours before now. */
  readonly age?: number
}

/** Keeps an upload of four bytes, and gives it. */
function stored(
  storage: MemoryStorage,
  number: number,
  { finished = false, final = false, age = 1 }: Kind,
): StoredUpload {
  const at = new Date(NOW.getTime() - age * HOUR_MS)
  const id = createId(at, number.toString(16).padStart(32, '0'))
  const end = finished ? { offset: 4, sha256: SHA256, finishedAt: at.toISOString() } : { offset: 2 }
  const joined = final ? { concat: 'final;/files/x', parts: [id] } : {}
  const since = { createdAt: at.toISOString(), touchedAtMs: at.getTime() }
  const upload = uploadOf(id, { length: 4, ...since, ...end, ...joined })
  keep(storage, upload, finished ? 'abcd' : 'ab')
  return upload
}

const rowOf = (upload: StoredUpload): UploadRecord => upload.toRecordAtRest()

/** A sweep over a folder, with an index of these rows that may fail. */
function sweepOver(storage: MemoryStorage, rows: UploadRecord[], fails = false) {
  const seen = {
    ...{
      foundFinished: [] as string[],
      foundAll: 0,
      read: [] as string[],
      restored: [] as string[],
      announced: [] as string[],
    },
    /** Called each time when memory is asked for an upload. */
    asked: (_id: string): void => {},
  }
  const index = new Map(rows.map((row) => [row.id, row]))
  const page = (filter: (row: UploadRecord) => boolean) => async (afterId: string, limit: number) => {
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
  const engine = new MemoryEngine(noBlocks, storage)
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const unfinished = new Unfinished(1000)
  const terms = { expireAfterMs: 24 * HOUR_MS, keepPartialsMs: 0 }
  const now = () => NOW.getTime()
  const locks = new UploadLocks({ waitMs: 60_000, mostWaiting: 1 }, () => true)
  const visit = new Visit({
    ...{ engine, log, terms, unfinished, now, startedAtMs: NOW.getTime() },
    inMemory: (id) => {
      seen.read.push(id)
      seen.asked(id)
      return undefined
    },
    ifFree: (id, work) => locks.tryWith(id, work),
    whenFree: (id, work) => locks.waitWith(id, work),
    handleDue: async () => 'waiting',
    indexIsWhole: () => true,
    row: async (id) => index.get(id),
  })
  const sweep = new Sweep({
    ...{ engine, visit, index: asked, log, now, expireAfterMs: terms.expireAfterMs },
    isReceiving: () => false,
    recordOf: async ({ id }) => index.get(id),
    announce: ({ id }) => void seen.announced.push(id),
    foundFinished: async ({ id }) => void seen.foundFinished.push(id),
    foundAll: async () => {
      seen.foundAll += 1
    },
  })
  return { sweep, seen, unfinished, engine, index, locks }
}

test('by the index it visits what is unfinished, recent final uploads and names the index lacks, and nothing else', async ({
  storage,
}) => {
  const finished = Array.from({ length: 300 }, (_, number) => stored(storage, number, { finished: true }))
  const paused = stored(storage, 1000, {})
  const recent = stored(storage, 1001, { finished: true, final: true })
  const old = stored(storage, 1002, { finished: true, final: true, age: 30 })
  const ahead = stored(storage, 1003, { finished: true, final: true })
  const lost = stored(storage, 1004, { finished: true, final: true })
  const open = stored(storage, 1005, { final: true })
  const behind = { ...rowOf(ahead), state: 'paused', sha256: null, finishedAt: null } as const
  const rows = [...finished, paused, recent, old].map(rowOf)
  const { sweep, seen, unfinished } = sweepOver(storage, [...rows, behind])
  await sweep.known(new Date(NOW.getTime() - 2 * HOUR_MS).toISOString())
  assert.equal(seen.foundFinished.sort(), [recent.id, ahead.id, lost.id].sort())
  assert.equal(seen.restored.sort(), [open.id])
  const unannounced = [ahead.id, lost.id]
  assert.equal(seen.announced.sort(), unannounced, 'a crash came between the finish and the announcement')
  assert.is(seen.foundAll, 1)
  assert.ok(sweep.hasSeenAll)
  assert.is(unfinished.size, 2)
  assert.ok(unfinished.has(paused.id))
  const read = new Set(seen.read)
  assert.not(finished.some(({ id }) => read.has(id)) || read.has(old.id))
  assert.ok(read.has(open.id))
})

test('a row stays where its upload cannot be read now, and goes where its upload is gone', async ({
  storage,
}) => {
  const [unreadable, gone] = [stored(storage, 1, {}), stored(storage, 2, {})]
  storage.uploads.delete(gone.id)
  const { sweep, index, engine } = sweepOver(storage, [rowOf(unreadable), rowOf(gone)])
  const { load } = engine
  engine.load = async (id) => {
    if (id === unreadable.id) throw new Error('EMFILE: too many open files')
    return load.call(engine, id)
  }
  await sweep.known(null)
  assert.equal([...index.keys()], [unreadable.id])
})

test('after a clean end it lists no folder', async ({ storage }) => {
  const paused = stored(storage, 1, {})
  const unknown = stored(storage, 2, {})
  const { sweep, seen } = sweepOver(storage, [rowOf(paused)])
  await sweep.known(null)
  assert.is(seen.foundAll, 1)
  assert.not(seen.read.includes(unknown.id))
})

test('without the index it walks over everything, newest day first, and tells of the end once', async ({
  storage,
}) => {
  const [old, recent] = [
    stored(storage, 1, { age: 100 }),
    stored(storage, 2, { finished: true, final: true }),
  ]
  const { sweep, seen } = sweepOver(storage, [], true)
  const failed = await sweep.known(NOW.toISOString()).catch((error: Error) => error.message)
  assert.is(failed, 'the database is locked')
  assert.not(sweep.hasSeenAll)
  const rows: string[] = []
  for await (const { id } of sweep.everything()) rows.push(id)
  assert.equal(rows, [recent.id, old.id])
  assert.equal(seen.foundFinished, [recent.id])
  for await (const _ of sweep.everything());
  assert.equal(seen.foundFinished, [recent.id])
  assert.is(seen.foundAll, 1)
})

test('a pass that the end of the server cuts off does not say that it has seen everything', async ({
  storage,
}) => {
  const paused = stored(storage, 1, {})
  const { sweep, seen } = sweepOver(storage, [rowOf(paused)])
  sweep.stop()
  await sweep.known(NOW.toISOString())
  for await (const _ of sweep.everything());
  await sweep.prove()
  assert.is(seen.foundAll, 0)
  assert.not(sweep.hasSeenAll)
})

test('the proof restores what the index has otherwise, and leaves what is the same', async ({ storage }) => {
  const [same, wrong] = [
    stored(storage, 1, { finished: true }),
    stored(storage, 2, { finished: true, age: 70 }),
  ]
  const { sweep, seen } = sweepOver(storage, [rowOf(same), { ...rowOf(wrong), offset: 1 }])
  await sweep.prove()
  assert.equal(seen.restored, [wrong.id])
  assert.equal(seen.foundFinished, [])
  assert.is(seen.foundAll, 0)
})

test('a final upload that waits for its parts comes back into an index that lacks it', async ({
  storage,
}) => {
  const open = stored(storage, 1, { final: true })
  const { sweep, seen } = sweepOver(storage, [])
  const rows: string[] = []
  for await (const { id } of sweep.everything()) rows.push(id)
  assert.equal(rows, [open.id])
  await sweep.prove()
  assert.equal(seen.restored, [open.id])
})

test('bytes that get their sidecar back are an unfinished upload at once', async ({ storage }) => {
  const torn = stored(storage, 1, {})
  Object.assign(storage.uploads.get(torn.id) ?? {}, { facts: null })
  const { sweep, unfinished } = sweepOver(storage, [rowOf(torn)])
  await sweep.known(null)
  assert.ok(unfinished.has(torn.id))
})

test('an upload whose sidecar is torn gets it back also where a request holds it at that moment', async ({
  storage,
}) => {
  const torn = stored(storage, 1, { finished: true })
  const row = rowOf(torn)
  Object.assign(storage.uploads.get(torn.id) ?? {}, { facts: null })
  const { sweep, seen, locks } = sweepOver(storage, [row])
  let proof: Promise<void> | undefined
  await locks.tryWith(torn.id, async () => {
    const asked = new Promise<void>((resolve) => {
      seen.asked = () => resolve()
    })
    proof = sweep.prove()
    await asked
    // What the visit does before it wants the lock is done by then: the storage is in memory.
    await new Promise(setImmediate)
    assert.is(storage.uploads.get(torn.id)?.facts, null)
  })
  await proof
  assert.is(storage.uploads.get(torn.id)?.facts?.sha256, SHA256)
})

test('an upload that is removed while it is visited does not count as unfinished again', async ({
  storage,
}) => {
  const paused = stored(storage, 1, {})
  const { sweep, seen, unfinished } = sweepOver(storage, [rowOf(paused)])
  unfinished.set(paused.id, NOW.getTime() + HOUR_MS)
  // Memory is asked again once the disk was read.
  seen.asked = (id) => {
    if (seen.read.length < 2) return
    storage.uploads.delete(id)
    unfinished.delete(id)
  }
  await sweep.known(null)
  assert.is(unfinished.size, 0)
  assert.equal(seen.restored, [])
})

test.run()
