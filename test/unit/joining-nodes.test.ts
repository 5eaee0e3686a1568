import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PartDamaged } from '../../server/model/engine-error.js'
import type { Held } from '../../server/model/shared-finals.js'
import { JoinPass, type PassParts, Stopped } from '../../server/uploads/joining/join-pass.js'
import { checkRoom } from '../../server/uploads/joining/shared-room.js'
import type { StorageTools } from '../../server/uploads/tools.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { UploadHooks } from '../../server/uploads/upload-hooks.js'
import { inMemory } from '../helpers/engine-places.js'
import { FakeFinals } from '../helpers/fake-finals.js'
import { LifePlace } from '../helpers/life-place.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf, storageWith, TYPES } from '../helpers/upload-fakes.js'

const [FINAL, PART] = [idOf('f'), idOf('1')]
const LATER_MS = 3 * 86_400_000
const PARTIAL = { concat: { header: 'partial', parts: null, client: '::1' } }

const test = suite('final uploads of other nodes')

/** The life of a whole part, whose time may be over, on a storage that other nodes use, too. */
async function withPart(others: Partial<StorageTools> = {}) {
  const { engine, arena } = await inMemory()
  if (!(engine instanceof MemoryEngine)) throw new Error('no engine in memory')
  const finals = new FakeFinals()
  engine.finals = finals
  const life = new LifePlace(engine, arena, others)
  await life.create(PART, 4, PARTIAL)
  await life.patch(PART, 'part')
  const part = await life.store.uploads.load(PART)
  if (!part) throw new Error('no part')
  return { life, finals, engine, part }
}

test('a part does not expire while a final upload of another node waits for it', async () => {
  const { life, finals, engine, part } = await withPart()
  finals.open.set(FINAL, [PART])
  life.nowMs += LATER_MS
  assert.equal(await life.store.expire([part]), [])
  assert.is(await life.store.handleDue(PART), 'waiting')
  assert.is(await life.head(PART), 4)
  finals.open.clear()
  assert.is(await codeOf(life.head(PART)), 'upload_expired')
  assert.is(await life.store.handleDue(PART), 'expired')
  assert.equal([finals.givenUp, await engine.has(PART)], [[PART], false])
})

test('a whole part that is terminated keeps its bytes for a final upload of another node', async () => {
  const { life, finals, engine } = await withPart()
  finals.open.set(FINAL, [PART])
  await life.terminate(PART)
  assert.is(await codeOf(life.head(PART)), 'upload_unknown')
  assert.ok(await engine.has(PART))
  finals.open.clear()
  assert.is(await life.store.handleDue(PART), 'expired')
  assert.not(await engine.has(PART))
})

test('a whole part that no node needs is given up before it is removed', async () => {
  const { life, finals, engine } = await withPart()
  await life.terminate(PART)
  assert.equal([finals.givenUp, await engine.has(PART)], [[PART], false])
})

test('the post-finish of a part is written before it is given up: a node that died may have left it unsaid', async () => {
  const ways: ((place: Awaited<ReturnType<typeof withPart>>) => Promise<unknown>)[] = [
    ({ life }) => life.terminate(PART),
    ({ life, part }) => {
      life.nowMs += LATER_MS
      return life.store.expire([part])
    },
    ({ life }) => life.create(FINAL, null, { concat: { header: 'final', parts: [PART], client: '::1' } }),
  ]
  for (const way of ways) {
    const seen: string[] = []
    const nothing = (): void => {}
    const hooks = new UploadHooks({
      decider: { listensTo: () => false, decide: async () => ({}) },
      finishing: {
        ...{ expect: nothing, withdraw: nothing, forget: nothing, confirm: () => true },
        ...{ intend: async () => {}, failed: async () => {} },
        written: async (id) => void seen.push(`written ${id}`),
      },
      ...{ received: null, progressIntervalMs: 0, monotonic: () => 0, now: () => 0 },
    })
    const place = await withPart({ hooks })
    const { giveUp } = place.finals
    place.finals.giveUp = (parts) => {
      seen.push(...parts.map((id) => `given up ${id}`))
      return giveUp.call(place.finals, parts)
    }
    await way(place)
    if (way === ways[2]) await place.life.announced('terminated 1')
    assert.equal(seen.slice(0, 2), [`written ${PART}`, `given up ${PART}`])
  }
})

test('"never more than are still free": the open final uploads of all nodes count', async () => {
  const finals = new FakeFinals()
  const room = (open: Held, names: Held): Promise<string> => {
    finals.counts = { finals: open, names }
    return codeOf(checkRoom(finals, { client: '::1', parts: [PART, FINAL, PART] }))
  }
  const none = { all: 0, own: 0 }
  assert.is(await room(none, none), 'none')
  assert.is(await room({ all: 10_000, own: 9_998 }, none), 'none')
  assert.is(await room({ all: 10_000, own: 9_999 }, none), 'finals_full')
  assert.is(await room(none, { all: 99_991, own: 1 }), 'none')
  assert.is(await room(none, { all: 99_992, own: 1 }), 'finals_full')
})

/** A join of two parts, whose digests this node does not know, on a storage that other nodes use, too. */
function joining() {
  const ids = [PART, idOf('2')]
  const { engine, storage, textOf } = storageWith({ [PART]: 'one ', [idOf('2')]: 'two ', [FINAL]: '' })
  engine.finals = new FakeFinals()
  const stored = uploadOf(FINAL, { concat: 'final;x', parts: ids, length: null })
  const keep = (facts: Partial<ReturnType<StoredUpload['toFacts']>>): void => {
    const kept = storage.uploads.get(FINAL)
    if (kept) storage.uploads.set(FINAL, { ...kept, facts: { ...stored.toFacts(), ...facts } })
  }
  keep({})
  const parts = new Map(
    ids.map((id) => {
      const part = uploadOf(id, { concat: 'partial', offset: 4, length: 4 })
      part.mark(4, `digest of ${id}`)
      return [id, part]
    }),
  )
  const locks: string[] = []
  const done: string[] = []
  const needs: PassParts = {
    tools: {
      ...{ ...TYPES, engine, maxSizeBytes: 100, now: () => 7, isReceiving: () => false },
      underLock: async (id, work) => {
        locks.push(id.slice(-1))
        await work()
        locks.push('')
      },
    },
    prover: { prove: async (part) => part.setDamaged(2) },
    uploads: {
      load: async (id) => {
        assert.ok(locks.at(-1), 'a part is read under its lock')
        return parts.get(id)
      },
    },
    lifecycle: {
      finish: async ({ length }) => void done.push(`finished ${length}`),
      isSound: async () => false,
      verify: async () => void done.push('verified'),
      cutDamaged: async ({ id }) => void done.push(`cut ${id.slice(-1)}`),
    },
  }
  const compared: string[] = []
  const { join } = engine
  engine.join = (id, piece) => {
    compared.push(`${piece.checkpoints?.map(({ sha256 }) => sha256.slice(-1))}`)
    return join.call(engine, id, piece)
  }
  const pass = new JoinPass(needs)
  return { pass, needs, engine, final: stored, storage, keep, parts, locks, done, compared, textOf }
}

test('parts are read as they are stored, under their locks, and compared with their digests while they are joined', async () => {
  const { pass, final, parts, locks, done, compared, textOf } = joining()
  parts.get(PART)?.setDigestLive(true)
  assert.is(await pass.join(final), true)
  assert.equal([textOf(FINAL), done], ['one two ', ['finished 8']])
  assert.equal(locks, ['1', '', '2', '', 'f', ''])
  assert.equal(compared, ['undefined', '2'], 'a digest that this node knows needs no proof')
})

test('a part whose bytes do not match falls back, under its lock, and the final upload waits on', async () => {
  const { pass, engine, final, done, locks } = joining()
  engine.join = async () => {
    throw new PartDamaged(PART)
  }
  assert.is(await pass.join(final), false)
  assert.equal([done, locks.slice(-2)], [['cut 1'], ['1', '']])
})

test('a final upload that another node has finished, or removed, is not finished again', async () => {
  const finished = joining()
  finished.keep({ sha256: 'ab', finishedAt: '2026-11-25T00:00:00.000Z', length: 8 })
  const kept = finished.storage.uploads.get(FINAL)
  const join = finished.engine.join
  finished.engine.join = async (id, piece) => {
    const took = await join.call(finished.engine, id, piece)
    // Before that the join writes behind the bytes of its own.
    if (kept && piece.position === 4)
      finished.storage.uploads.set(FINAL, { ...kept, bytes: Buffer.from('one two ') })
    return took
  }
  const stopped = await finished.pass.join(finished.final).catch((error: unknown) => error)
  assert.instance(stopped, Stopped)
  const removed = joining()
  removed.engine.has = async () => false
  assert.match(await codeOf(removed.pass.join(removed.final)), 'Error')
  assert.equal([finished.done, removed.done], [[], []])
})

test.run()
