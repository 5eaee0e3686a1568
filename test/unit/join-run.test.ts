import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { SqlError } from '../../server/model/sql.js'
import type { StorageTools } from '../../server/uploads/tools.js'
import { inMemory } from '../helpers/engine-places.js'
import { FakeFinals } from '../helpers/fake-finals.js'
import { LifePlace } from '../helpers/life-place.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { codeOf, idOf } from '../helpers/upload-fakes.js'

const [FINAL, PART] = [idOf('f'), idOf('1')]

const test = suite('joins that fail among other nodes')

type Alone = NonNullable<StorageTools['alone']>

/** A node with a whole part, on a storage that another node uses, too. Who takes a lock finds what the other has changed. */
async function withPart(others: Partial<StorageTools> = {}) {
  const { engine, arena } = await inMemory()
  if (!(engine instanceof MemoryEngine)) throw new Error('no engine in memory')
  const finals = new FakeFinals()
  engine.finals = finals
  const changed = new Set<string>()
  const alone: Alone = async (_, work) => work({ isValid: true })
  const life: LifePlace = new LifePlace(engine, arena, {
    alone,
    isOwn: () => false,
    underLock: async (id, work) => {
      if (changed.delete(id)) await life.store.uploads.forget(id)
      await work()
    },
    ...others,
  })
  await life.create(PART, 4, { concat: { header: 'partial', parts: null, client: '::1' } })
  await life.patch(PART, 'part')
  const other = new LifePlace(engine, arena, { alone })
  /** Creates the final upload and resolves with how its join ends, as `codeOf`. */
  const join = async (id = FINAL): Promise<string> => {
    const request = await life.create(id, null, {
      concat: { header: `final;/files/${PART}`, parts: [PART], client: '::1' },
    })
    const { upload } = request
    return codeOf(Promise.resolve(upload?.joining))
  }
  /** The next step of a join does this first. */
  const onJoin = (before: (id: string) => Promise<void>): void => {
    const { join } = engine
    engine.join = async (id, piece) => {
      engine.join = join
      await before(id)
      return join.call(engine, id, piece)
    }
  }
  const digestOf = async (id: string): Promise<string | null | undefined> => {
    const found = await engine.load(id)
    return found.kind === 'upload' ? found.facts.sha256 : undefined
  }
  return { life, other, engine, finals, changed, join, onJoin, digestOf }
}

test('a join that fails late removes no final upload that another node has finished', async () => {
  const { life, other, changed, join, onJoin, digestOf } = await withPart()
  onJoin(async () => {
    // The other node takes over: the parts are gone once it is done.
    changed.add(FINAL).add(PART)
    await other.head(FINAL)
    await other.announced('finished f')
    await other.announced('terminated 1')
    throw new Error('NoSuchUpload')
  })
  assert.is(await join(), 'none', 'it is joined, whoever did it')
  assert.type(await digestOf(FINAL), 'string')
  assert.not(life.events.includes('terminated f'))
  assert.is(await life.head(FINAL), 4)
})

test('a join that is refused late removes no final upload that another node has finished', async () => {
  const { life, other, changed, join, onJoin, digestOf } = await withPart()
  onJoin(async () => {
    changed.add(FINAL).add(PART)
    await other.head(FINAL)
    await other.announced('finished f')
    throw new UploadError('type_refused')
  })
  assert.is(await join(), 'none')
  assert.type(await digestOf(FINAL), 'string')
  assert.not(life.events.includes('refused f'))
})

test('a join that fails once another node has finished the final upload is no failure', async () => {
  const { other, changed, finals, join, onJoin } = await withPart()
  // The part stays, for another final upload.
  finals.open.set(idOf('e'), [PART])
  onJoin(async () => {
    changed.add(FINAL).add(PART)
    await other.head(FINAL)
    await other.announced('finished f')
    throw new Error('NoSuchUpload')
  })
  assert.is(await join(), 'none')
})

test('a final upload whose part is gone is removed, where no node has finished it', async () => {
  const { engine, join, onJoin, digestOf } = await withPart()
  onJoin(() => engine.remove([PART]))
  assert.is(await join(), 'part_unknown')
  assert.is(await digestOf(FINAL), undefined)
})

test('a node that has lost its lease while it joins leaves the final upload to the others', async () => {
  let isValid = true
  const { engine, join, onJoin, digestOf } = await withPart({
    alone: async (_, work) =>
      work({
        get isValid() {
          return isValid
        },
      }),
  })
  onJoin(async () => {
    isValid = false
    await engine.remove([PART])
  })
  assert.is(await join(), 'none')
  assert.is(await digestOf(FINAL), null)
})

test('a final upload whose join fails for a moment stays: another node may have given its address out', async () => {
  const { life, join, onJoin, digestOf } = await withPart()
  onJoin(async () => {
    throw new UploadError('storage_unavailable')
  })
  assert.is(await join(), 'storage_unavailable')
  assert.is(await digestOf(FINAL), null)
  await life.head(FINAL)
  await life.announced('finished f')
})

/** The next call fails so. */
function failing<Call extends (...given: never[]) => Promise<void>>(call: Call, error: Error): Call {
  let isDue = true
  const first = (...given: Parameters<Call>): Promise<void> => {
    if (!isDue) return call(...given)
    isDue = false
    return Promise.reject(error)
  }
  return first as Call
}

test('where the database is away when a join is begun, the next request begins it again', async () => {
  const alone = failing<Alone>(
    async (_, work) => work({ isValid: true }),
    new SqlError('gone', 'the server ends'),
  )
  const { life, join } = await withPart({ alone })
  assert.is(await join(), 'storage_unavailable')
  await life.head(FINAL)
  await life.announced('finished f')
})

test('where the lock of a final upload is not free when a join is begun, the next request begins it again', async () => {
  const place = await withPart()
  const { load } = place.life.store.uploads
  place.life.store.uploads.load = async (id) => {
    place.life.store.uploads.load = load
    if (id === FINAL) throw new UploadError('upload_locked')
    return load.call(place.life.store.uploads, id)
  }
  const joined = await place.join()
  assert.is(joined, 'upload_locked')
  await place.life.head(FINAL)
  await place.life.announced('finished f')
})

test('a final upload that another node has changed takes no other one out of the queue', async () => {
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const ids = ['a', 'b', 'c', 'd', 'e'].map(idOf)
  const [first = '', ...others] = ids
  const { life, finals, onJoin, digestOf } = await withPart({
    alone: async (name, work) => {
      if (!name.endsWith(first)) await gate
      await work({ isValid: true })
    },
  })
  // Each needs the part.
  for (const id of ids) finals.open.set(id, [PART])
  const created = (id: string) =>
    life.create(id, null, { metadata: `n ${id}`, concat: { header: 'final', parts: [PART], client: '::1' } })
  onJoin(async (id) => {
    for (const each of others) await created(each)
    await life.store.uploads.forget(id)
  })
  const { upload } = await created(first)
  await upload?.joining
  open()
  await life.announced('finished e')
  assert.is(await digestOf(first), null, 'it was not joined here')
})

test.run()
