import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { append, create, type EnginePlace, faultOf, offsetOf, textOf } from './engine-place.js'
import { finishUpload } from './s3-bodies.js'
import { uploadOf } from './stored-upload.js'
import { bounded } from './test.js'
import { sha256 } from './upload-fakes.js'

const A = `20261125-${'a'.repeat(32)}`
const B = `20261124-${'b'.repeat(32)}`
const WITHIN_MS = 30_000

/** Gives a suite the tests that every engine passes; `make` gives an engine over an empty storage. */
export function engineContract<P extends EnginePlace>(
  test: Test<P>,
  make: (place: P) => Promise<EnginePlace>,
): void {
  test.before.each(async (place) => void Object.assign(place, await make(place)))
  test.after.each((place) => place.end())

  test('a new upload has no bytes, keeps its facts, and is never emptied by another of its id', async (place) => {
    const { engine } = place
    assert.equal(await engine.load(A), { kind: 'missing' })
    await create(engine, A, { metadata: 'filename YQ==' })
    await append(place, A, 0, 'abc')
    assert.is(await faultOf(create(engine, A)), 'EEXIST')
    const found = await engine.load(A)
    assert.is(found.kind === 'upload' && found.facts.metadata, 'filename YQ==')
    assert.is(await offsetOf(engine, A), 3)
    assert.ok(await engine.has(A))
    assert.not(await engine.has(B))
    assert.type(engine.addressOf(A), 'string')
  })

  test('appended bytes go on where the last ones ended, and the digest rolls over all of them', async (place) => {
    await create(place.engine, A)
    assert.is((await append(place, A, 0, 'abc')).sha256, sha256('abc'))
    const last = await append(place, A, 3, 'def', { digest: 'final' })
    assert.equal([last.live, last.sha256], [true, sha256('abcdef')])
    assert.is(await textOf(place.engine, A, 0, 6), 'abcdef')
    assert.is(await textOf(place.engine, A, 2, 4), 'cd')
    assert.is(await textOf(place.engine, A, 4, 9), 'ef')
    assert.is(await place.engine.digest(A, 6), null)
  })

  test('a body begins only where the stored bytes end', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abc')
    const open = (offset: number): Promise<void> => engine.open(A, offset, () => true)
    await open(3)
    await engine.close(A)
    assert.is(await faultOf(open(2)), 'DAMAGED')
    await engine.close(A)
    assert.is(await faultOf(append(place, A, 2, 'x')), 'DAMAGED')
    await place.cut(A, undefined)
    assert.is(await faultOf(open(3)), 'MISSING')
    assert.is(await faultOf(append(place, A, 3, 'x')), 'MISSING')
  })

  test('a body whose bytes vanish before its end is not stored', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abc', { closes: false, ends: false })
    await place.cut(A, 1)
    const end = {
      ...{ blocks: [], position: 3, digest: 'prefix' as const, isChecked: false, algorithms: [] },
      ...{ begins: false, ends: true, closes: true },
    }
    assert.is(await faultOf(engine.append(A, end)), 'DAMAGED')
    await engine.close(A)
  })

  test('a digest that was read on into a checked body is not kept where the body is rolled back', async (place) => {
    await create(place.engine, A)
    await append(place, A, 0, 'abc')
    const engine = await place.restart()
    const restarted = { ...place, engine }
    const body = { isChecked: true, digest: 'none' as const, closes: false }
    const { live } = await append(restarted, A, 3, 'xyz', body)
    const range = { checkpoints: [], budgetBytes: 100 }
    assert.is((await engine.prove(A, { to: 6, ...range })).offset, 6)
    assert.is((await engine.rollBack(A, { offset: 3 })).live, live)
    assert.is((await engine.prove(A, { to: 3, ...range })).offset, 3)
    assert.is(await engine.digest(A, 3), sha256('abc'))
  })

  test('a checked body counts once it is committed', async (place) => {
    await create(place.engine, A)
    await append(place, A, 0, 'abc')
    const body = { isChecked: true, digest: 'none' as const, closes: false, algorithms: ['sha1', 'crc32'] }
    const { checksums } = await append(place, A, 3, 'def', body)
    assert.equal(checksums, { sha1: '589c22335a381f122d129225f5c0ba3056ed5811', crc32: '0cc4e161' })
    const committed = await place.engine.commit(A, { digest: 'prefix' })
    assert.equal(committed, { live: true, sha256: sha256('abcdef') })
  })

  test('nothing of a checked body is left once it is rolled back, and its digest goes on from before', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abc')
    await append(place, A, 3, 'XYZ', { isChecked: true, digest: 'none', closes: false, algorithms: ['md5'] })
    assert.equal(await engine.rollBack(A, { offset: 3 }), { live: true, sha256: null })
    assert.is(await textOf(engine, A, 0, 6), 'abc')
    assert.is((await append(place, A, 3, 'def')).sha256, sha256('abcdef'))
  })

  for (const end of ['rollBack', 'forget'] as const) {
    test(`nothing is kept of the checksums of a body that did not come to its end: ${end}`, async (place) => {
      const { engine } = place
      await create(engine, A)
      const body = { isChecked: true, digest: 'none', closes: false, algorithms: ['md5'] } as const
      await append(place, A, 0, 'abc', { ...body, ends: false })
      if (end === 'rollBack') await engine.rollBack(A, { offset: 0 })
      else await engine.forget(A)
      const next = end === 'rollBack' ? 0 : 3
      assert.is((await append(place, A, next, 'def', { ...body, begins: false })).checksums, null)
      await engine.close(A)
    })
  }

  test('the checksum of stored bytes is that of exactly these', async (place) => {
    await create(place.engine, A)
    await append(place, A, 0, 'abcdef')
    const of = { from: 1, to: 4, algorithm: 'sha256' }
    assert.is(await place.engine.checksum(A, of), sha256('bcd'))
  })

  test('a checkpoint replaces the facts, asked for at the moment they are written', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abc')
    const checkpoints = [{ offset: 3, sha256: sha256('abc') }]
    const facts = () => ({ ...uploadOf(A, { length: 6, checkpoints }).toFacts() })
    await engine.checkpoint(A, facts, { durable: true, bytes: true })
    const found = await (await place.restart()).load(A)
    assert.equal(found.kind === 'upload' && found.facts.checkpoints, checkpoints)
    assert.ok(found.kind === 'upload' && found.facts.isCurrent)
  })

  test('an upload is finished only where all its bytes are stored', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abcdef')
    const done = { sha256: sha256('abcdef'), finishedAt: new Date().toISOString() }
    const facts = () => ({ ...uploadOf(A, { length: 6 }).toFacts(), ...done })
    await place.cut(A, 5)
    const options = { durable: true, bytes: true, finishedBytes: 6 }
    assert.is(await faultOf(engine.checkpoint(A, facts, options)), 'DAMAGED')
    const found = await engine.load(A)
    assert.is(found.kind === 'upload' && found.facts.sha256, null)
  })

  test('facts are not stored before what they wait for', async ({ engine }) => {
    await create(engine, A)
    const after = new Promise<void>((_, fail) => setImmediate(fail, new Error('no mark')))
    const facts = () => uploadOf(A, { filename: 'new' }).toFacts()
    const saved = engine.checkpoint(A, facts, { durable: true, bytes: true, after })
    assert.match(await saved.then(String, String), 'no mark')
    const found = await engine.load(A)
    assert.is(found.kind === 'upload' && found.facts.filename, null)
  })

  test('after a restart the digest is proven again, against every checkpoint on the way', async (place) => {
    await create(place.engine, A)
    await append(place, A, 0, 'abc')
    await append(place, A, 3, 'def')
    const engine = await place.restart()
    assert.is(await engine.digest(A, 6), null)
    const good = { offset: 3, sha256: sha256('abc') }
    const range = { to: 6, budgetBytes: 4, checkpoints: [good] }
    assert.equal(await engine.prove(A, range), { offset: 4, damagedAfter: null })
    assert.equal(await engine.prove(A, range), { offset: 6, damagedAfter: null })
    assert.is(await engine.digest(A, 6), sha256('abcdef'))
    const bad = { offset: 6, sha256: sha256('other') }
    const damaged = await engine.prove(A, { ...range, budgetBytes: 9, checkpoints: [good, bad] })
    assert.is(damaged.damagedAfter, 3)
  })

  test('a forgotten digest is not there any more', async (place) => {
    await create(place.engine, A)
    await append(place, A, 0, 'abc')
    await place.engine.forget(A)
    assert.is(await place.engine.digest(A, 3), null)
    const { live, sha256: found } = await append(place, A, 3, 'def')
    assert.is(found, live ? sha256('abcdef') : null, 'it is read again, or is not there')
  })

  test('a final upload is joined piece by piece, and digested on the way', async (place) => {
    const { engine } = place
    for (const id of [A, B]) await create(engine, id)
    await append(place, B, 0, 'abcdef')
    await engine.join(A, { position: 0, part: B, from: 0, bytes: 4 })
    await engine.join(A, { position: 4, part: B, from: 4, bytes: 2 })
    await engine.join(A, { position: 6, part: B, from: 0, bytes: 6 })
    assert.is(await engine.digest(A, 12), sha256('abcdefabcdef'))
    await finishUpload(engine, A, Buffer.from('abcdefabcdef'))
    assert.is(await textOf(engine, A, 0, 12), 'abcdefabcdef')
  })

  test('a part that is shorter than its final upload needs is damaged', async (place) => {
    for (const id of [A, B]) await create(place.engine, id)
    await append(place, B, 0, 'abcdef')
    assert.is(await faultOf(place.engine.join(A, { position: 0, part: B, from: 0, bytes: 9 })), 'DAMAGED')
  })

  test('a cut upload keeps its first bytes; one that is shorter is damaged, and stays as it is', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abc')
    assert.is(await faultOf(engine.truncate(A, 4)), 'DAMAGED')
    await engine.truncate(A, 2)
    assert.is(await textOf(engine, A, 0, 6), 'ab')
    assert.equal(await engine.measure(A), { storedBytes: 2, hasFacts: true })
  })

  test('a reader goes on after its upload was removed, to other ranges too, and a piece is good while the next is read', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abcdef')
    const reader = await engine.read(A, { from: 1, to: 6 })
    await engine.remove([A], { durable: false })
    const [first, second] = [await reader.next(2), await reader.next(2)]
    assert.is(`${Buffer.from(first ?? [])} ${Buffer.from(second ?? [])}`, 'bc de')
    assert.is(Buffer.from((await reader.next(2)) ?? []).toString(), 'f')
    assert.is(await reader.next(2), undefined)
    reader.goTo({ from: 0, to: 2 })
    assert.is(Buffer.from((await reader.next(9)) ?? []).toString(), 'ab')
    assert.is(await reader.next(9), undefined)
    await reader.close()
  })

  test('removed uploads are gone, and removing what is not there is no error', async ({ engine }) => {
    await create(engine, A)
    await engine.remove([A, B], { durable: true })
    assert.equal(await engine.load(A), { kind: 'missing' })
    assert.equal(await engine.measure(A), { storedBytes: undefined, hasFacts: false })
    assert.is(await faultOf(engine.read(A, { from: 0, to: 1 })), 'MISSING')
  })

  test('a list has every upload, newest day first, and can begin at a day', async ({ engine }) => {
    for (const id of [B, A]) await create(engine, id)
    const idsFrom = async (day?: string): Promise<string[]> => {
      const ids: string[] = []
      for await (const entries of engine.list(day))
        ids.push(...entries.flatMap(({ id, kind }) => (kind === 'bytes' ? id : [])))
      return ids
    }
    assert.equal(await idsFrom(), [A, B])
    assert.equal(await idsFrom('2026/11/25'), [A])
  })

  test('facts without bytes are a leftover; facts beside bytes are none', async (place) => {
    const { engine } = place
    for (const id of [A, B]) await create(engine, id)
    await place.cut(B, undefined)
    assert.not(await engine.isLeftover({ id: A, kind: 'facts' }))
    assert.ok(await engine.isLeftover({ id: B, kind: 'facts' }))
    await engine.removeLeftover({ id: B, kind: 'facts' })
    assert.equal(await engine.measure(B), { storedBytes: undefined, hasFacts: false })
  })

  test('torn facts can be restored, and of an unfinished upload no byte counts then', async (place) => {
    const { engine } = place
    await create(engine, A)
    await append(place, A, 0, 'abc')
    await place.tear(A)
    const torn = await engine.load(A)
    assert.is(torn.kind === 'torn' && torn.storedBytes, 3)
    await engine.restore(A, uploadOf(A, { length: 6 }).toFacts())
    assert.is(await offsetOf(engine, A), 0)
  })

  test('flushing a stored upload resolves, and there is room for another', async (place) => {
    await create(place.engine, A)
    await bounded(WITHIN_MS, place.engine.flush(A), 'the flush')
    assert.not(await place.engine.isFull(1, 1))
  })
}
