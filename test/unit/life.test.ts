import { createHash } from 'node:crypto'
import { suite, type Test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { ExpectedChecksum } from '../../server/model/checksum.js'
import { append, type EnginePlace, textOf } from '../helpers/engine-place.js'
import { endFiles, inMemory, onFiles } from '../helpers/engine-places.js'
import { LifePlace } from '../helpers/life-place.js'
import { bounded } from '../helpers/test.js'

const idOf = (digit: number): string => `20261125-${String(digit).padStart(32, '0')}`
const [ONE, TWO, THREE] = [idOf(1), idOf(2), idOf(3)]
const HOUR_MS = 3_600_000
const WITHIN_MS = 30_000

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex')

/** The code word that a request is refused with. */
const codeOf = (request: Promise<unknown>): Promise<string> =>
  request.then(
    () => 'none',
    (error: unknown) => (error instanceof UploadError ? error.code : String(error)),
  )

/** The SHA-1 of a body, as Upload-Checksum sends it. */
function checksumOf(text: string): ExpectedChecksum {
  return {
    algorithms: ['sha1'],
    sent: () => ({ algorithm: 'sha1', digest: sha1(text) }),
    isOfNothing: () => false,
  }
}

/** Upload-Concat of a partial upload, or of a final one of these parts. */
const concatOf = (parts: readonly string[] | null) => ({
  concat: { header: parts ? `final;${parts.join(' ')}` : 'partial', parts, client: '127.0.0.1' },
})

type Place = EnginePlace & { life: LifePlace }

/** Gives a suite the life of an upload over one engine. */
function lifeOfAnUpload(test: Test<Place>, make: () => Promise<EnginePlace>): void {
  test.before.each(async (place) => {
    Object.assign(place, await make())
    place.life = new LifePlace(place.engine, place.arena)
    await place.life.store.firstSweepEnded()
  })
  test.after.each(async ({ life, end }) => {
    await life.store.uploads.end()
    await end()
  })

  /** Another process over the same storage. */
  async function restarted(place: Place): Promise<LifePlace> {
    const life = new LifePlace(await place.restart(), place.arena)
    await life.store.firstSweepEnded()
    return life
  }

  test('an upload is created, grows, and is finished once, with the digest of all its bytes', async (place) => {
    const { life } = place
    await life.create(ONE, 6)
    assert.is(await life.patch(ONE, 'abc'), 3)
    assert.is(await life.patch(ONE, 'def'), 6)
    assert.equal(life.events, ['created 1', 'progress 1', 'finished 1'])
    assert.is(life.records.get(ONE)?.sha256, sha256('abcdef'))
    assert.is(await life.head(ONE), 6)
    assert.equal(life.events.length, 3)
    assert.is(await textOf(place.engine, ONE, 0, 9), 'abcdef')
  })

  test('an upload without bytes is finished as it is created', async ({ life }) => {
    await life.create(ONE, 0)
    assert.equal(life.events, ['created 1', 'finished 1'])
  })

  test('what a connection brought before it was cut counts, also after a restart', async (place) => {
    const { life } = place
    await life.create(ONE, 6)
    assert.is(await life.patch(ONE, 'abc', { end: 'cut' }), 3)
    assert.equal(life.events, ['created 1', 'progress 1'])
    const next = await restarted(place)
    assert.is(await next.head(ONE), 3)
    assert.is(await next.patch(ONE, 'def'), 6)
    assert.equal(next.events, ['finished 1'])
    assert.is(next.records.get(ONE)?.sha256, sha256('abcdef'))
  })

  test('an upload that a crash left whole is finished after it, and announced once', async (place) => {
    await place.life.create(ONE, 3)
    await append(place, ONE, 0, 'abc')
    const next = await restarted(place)
    assert.is(await next.store.handleDue(ONE), 'finished')
    assert.is(await next.store.handleDue(ONE), 'kept')
    assert.is(await next.head(ONE), 3)
    assert.equal(
      next.events.filter((event) => !event.startsWith('restated')),
      ['finished 1'],
    )
    assert.is(next.records.get(ONE)?.sha256, sha256('abc'))
  })

  test('a deferred length comes with a body, and finishes the upload', async ({ life }) => {
    await life.create(ONE, null)
    assert.is(await life.patch(ONE, 'abc'), 3)
    assert.is(await life.patch(ONE, 'def', { length: 6 }), 6)
    assert.equal(life.events, ['created 1', 'progress 1', 'finished 1'])
    assert.is(life.records.get(ONE)?.length, 6)
  })

  test('a body that runs over the length is cut there and refused, and the upload is finished', async ({
    life,
  }) => {
    await life.create(ONE, 5)
    assert.is(await codeOf(life.patch(ONE, 'abcdef')), 'length_exceeded')
    assert.equal(life.events, ['created 1', 'finished 1'])
  })

  test('nothing is kept of a body that does not match its checksum', async (place) => {
    const { life } = place
    await life.create(ONE, 6)
    await life.patch(ONE, 'abc')
    assert.is(await codeOf(life.patch(ONE, 'xyz', { checksum: checksumOf('def') })), 'checksum_mismatch')
    assert.is(await life.head(ONE), 3)
    assert.is(await textOf(place.engine, ONE, 0, 9), 'abc')
    assert.is(await life.patch(ONE, 'def', { checksum: checksumOf('def') }), 6)
    assert.is(life.records.get(ONE)?.sha256, sha256('abcdef'))
    assert.is(life.events.at(-1), 'finished 1')
  })

  test('a refused type leaves nothing behind but its record', async ({ life, engine }) => {
    await life.create(ONE, 6)
    assert.is(await codeOf(life.patch(ONE, '!abcde')), 'type_refused')
    assert.equal(life.events, ['created 1', 'refused 1'])
    assert.is(life.records.get(ONE)?.state, 'refused')
    assert.equal(await engine.load(ONE), { kind: 'missing' })
    assert.is(await codeOf(life.head(ONE)), 'upload_unknown')
  })

  test('a terminated upload is gone', async ({ life, engine }) => {
    await life.create(ONE, 6)
    await life.patch(ONE, 'abc')
    await life.terminate(ONE)
    assert.equal(life.events, ['created 1', 'progress 1', 'terminated 1'])
    assert.equal(await engine.load(ONE), { kind: 'missing' })
    assert.is(await codeOf(life.terminate(ONE)), 'upload_unknown')
  })

  test('an upload that gets no bytes expires', async ({ life, engine }) => {
    await life.create(ONE, 6)
    life.nowMs += 2 * HOUR_MS
    assert.is(await codeOf(life.head(ONE)), 'upload_expired')
    assert.is(await life.store.handleDue(ONE), 'expired')
    assert.equal(life.events, ['created 1', 'expired 1'])
    assert.equal(await engine.load(ONE), { kind: 'missing' })
  })

  test('a file that is cut behind our back falls back to what is proven', async (place) => {
    const { life } = place
    await life.create(ONE, 6)
    await life.patch(ONE, 'abc')
    await life.store.uploads.end()
    place.cut(ONE, 1)
    assert.is(await life.head(ONE), 0)
    assert.equal(life.events, ['created 1', 'progress 1', 'progress 1'])
  })

  test('nothing is held against what an upload fell back from: other bytes may come in its place', async (place) => {
    const { life } = place
    await life.create(ONE, 12)
    await life.patch(ONE, 'abc')
    await life.patch(ONE, 'def')
    await life.store.uploads.end()
    place.cut(ONE, 4)
    assert.is(await life.head(ONE), 3)
    assert.is(await life.patch(ONE, 'uvwxyz'), 9)
    await life.store.uploads.end()
    const next = await restarted(place)
    assert.is(await next.patch(ONE, '123'), 12)
    assert.is(next.records.get(ONE)?.sha256, sha256('abcuvwxyz123'))
  })

  test('a length that is taken back takes the type back that was seen in what looked like the whole', async ({
    life,
  }) => {
    await life.create(ONE, null)
    assert.is(await codeOf(life.patch(ONE, 'abc', { length: 2 })), 'length_exceeded')
    assert.equal([life.records.get(ONE)?.length, life.records.get(ONE)?.type], [null, null])
    assert.is(await life.head(ONE), 2)
  })

  test('a final upload is joined from its parts, announced as any other, and its parts go', async (place) => {
    const { life } = place
    for (const [id, text] of [
      [ONE, 'abc'],
      [TWO, 'def'],
    ] as const) {
      await life.create(id, 3, concatOf(null))
      await life.patch(id, text)
    }
    await life.create(THREE, null, concatOf([TWO, ONE]))
    await bounded(WITHIN_MS, life.announced('terminated 1'), 'the release of the last part')
    assert.equal(life.events, [
      ...['created 1', 'progress 1', 'created 2', 'progress 2', 'created 3'],
      ...['finished 3', 'terminated 2', 'terminated 1'],
    ])
    assert.is(await textOf(place.engine, THREE, 0, 9), 'defabc')
    assert.is(life.records.get(THREE)?.sha256, sha256('defabc'))
  })

  test('a final upload whose part is terminated before it is whole goes too, without being asked for', async ({
    life,
  }) => {
    await life.create(ONE, 3, concatOf(null))
    await life.create(TWO, 3, concatOf(null))
    await life.create(THREE, null, concatOf([ONE, TWO]))
    await life.terminate(ONE)
    await bounded(WITHIN_MS, life.announced('terminated 3'), 'the end of the final upload')
    assert.is(life.records.get(THREE)?.reason, 'a part is gone')
    assert.is(await life.head(TWO), 0)
  })

  test('a whole part that its client terminates stays for its final upload, and is announced once', async (place) => {
    const { life } = place
    await life.create(ONE, 3, concatOf(null))
    await life.create(TWO, 3, concatOf(null))
    await life.patch(ONE, 'abc')
    await life.create(THREE, null, concatOf([ONE, TWO]))
    await life.terminate(ONE)
    assert.is(await codeOf(life.head(ONE)), 'upload_unknown')
    await life.patch(TWO, 'def')
    await bounded(WITHIN_MS, life.announced('terminated 2'), 'the release of the last part')
    assert.equal(
      life.events.filter((event) => event.endsWith('1')),
      ['created 1', 'progress 1', 'terminated 1', 'restated 1'],
    )
    assert.is(life.records.get(THREE)?.sha256, sha256('abcdef'))
  })
}

const files = suite<Place>('life: files')
lifeOfAnUpload(files, onFiles)
files.after(endFiles)
files.run()

const memory = suite<Place>('life: memory')
lifeOfAnUpload(memory, inMemory)
memory.run()
