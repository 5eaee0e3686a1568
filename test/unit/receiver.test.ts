import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Arena } from '../../server/intake/arena.js'
import type { BodyEnd } from '../../server/model/body.js'
import type { ExpectedChecksum } from '../../server/model/checksum.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import { type RequestFacts, UploadRequest } from '../../server/model/request.js'
import type { StoredFacts } from '../../server/model/upload-facts.js'
import { Receiver } from '../../server/uploads/receiver.js'
import type { StorageTools } from '../../server/uploads/tools.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { MemoryStorage } from '../helpers/memory-storage.js'
import { keep, uploadOf } from '../helpers/stored-upload.js'
import { bodyOf, codeOf, idOf, never, PLAIN, sha256, silent, TYPES } from '../helpers/upload-fakes.js'

const ID = idOf('1')
const MOST_BYTES = 20
const NOTHING = { headers: {}, body: null, checksum: null, trailing: null, creation: null }
const arena = new Arena({ blocks: 1, blockBytes: 64 })

interface Given {
  /** What the upload has before the request. */
  readonly stored?: string
  readonly facts?: Partial<StoredFacts>
  readonly durability?: StorageTools['durability']
}

/** An upload of ten bytes among fakes, and what was done with it, in order. */
function place({ stored = '', facts = {}, durability = 'finish' }: Given = {}) {
  const storage = new MemoryStorage()
  const engine = new MemoryEngine((index, bytes) => arena.view(index, bytes), storage)
  const upload = uploadOf(ID, { offset: stored.length, ...facts })
  keep(storage, upload, stored)
  const done: string[] = []
  const note = (what: string) => async (): Promise<void> => void done.push(what)
  const textOf = (): string => String(storage.uploads.get(ID)?.bytes)
  const saved = (how: string) => async (): Promise<void> => void done.push(`${how} ${textOf().length}`)
  const lifecycle = {
    ...{ abandon: note('abandon'), cutDamaged: note('cut damaged'), refuse: note('refuse') },
    evict: (): void => void done.push('evict'),
    finish: async (): Promise<void> => {
      done.push('finish')
      upload.finish(sha256(textOf()), new Date().toISOString())
    },
    recover: async (_: unknown, { code }: { code: string }) => void done.push(`recover ${code}`),
  }
  const receiver = new Receiver({
    tools: {
      ...{ engine, ...TYPES, now: Date.now, monotonic: () => performance.now(), log: silent, durability },
      ...{ maxSizeBytes: MOST_BYTES, expireAfterMs: 86_400_000, keepPartialsMs: 0 },
      received: () => {},
      view: (index, bytes) => arena.view(index, bytes),
      announce: (_, kind) => void done.push(`${kind} ${upload.offset} of ${upload.length}`),
    },
    saver: {
      ...{ save: saved('save'), note: saved('note') },
      saveLater: () => void done.push('save later'),
      flushLater: () => void done.push('flush later'),
    },
    prover: { start: () => void done.push('prove') },
    lifecycle,
  })
  /** Receives these bytes, which end so; resolves with the error's code word. */
  const receive = async (
    text: string,
    end: BodyEnd = 'complete',
    { length = null, ...rest }: Partial<RequestFacts> & { readonly length?: number | null } = {},
  ): Promise<string> => {
    const request = new UploadRequest({
      ...{ ...NOTHING, id: ID, method: rest.creation ? 'POST' : 'PATCH', principal: ANONYMOUS },
      ...{ body: bodyOf(arena, text, end), ...rest },
    })
    request.declaredLength = length
    const code = await codeOf(receiver.receive(upload, request))
    assert.equal([...engine.openBodies], [], 'its file is closed')
    assert.is(upload.body, null)
    return code
  }
  return { engine, storage, upload, done, lifecycle, textOf, receive }
}

/** The SHA-256 of a text, as a checksum that the headers send. */
const checksumOf = (text: string): ExpectedChecksum => ({
  algorithms: ['sha256'],
  sent: () => ({ algorithm: 'sha256', digest: sha256(text) }),
  isOfNothing: () => false,
})

test('"the offset is kept": what came of a body counts, however the body ended, and the answer says why it ended', async () => {
  for (const [end, code] of [
    ...(['complete', 'cut', 'idle', 'slow'] as const).map((each) => [each, 'none'] as const),
    ['taken_over', 'upload_taken_over'] as const,
    ...(['shutting_down', 'disk_full'] as const).map((each) => [each, each] as const),
  ]) {
    const { upload, done, textOf, receive } = place({ stored: 'four' })
    assert.is(await receive('five5', end), code, end)
    assert.equal([upload.offset, textOf()], [9, 'fourfive5'], end)
    assert.equal(done.slice(-2), ['save later', 'progress 9 of 10'], end)
  }
})

test('with durability `request` the sidecar is written before the answer', async () => {
  const { done, receive } = place({ durability: 'request' })
  assert.is(await receive('five5'), 'none')
  assert.equal(done, ['save 5', 'progress 5 of 10'])
})

test('a body without bytes that changes nothing writes nothing', async () => {
  const { done, receive } = place({ stored: 'four', durability: 'request' })
  assert.is(await receive(''), 'none')
  assert.equal(
    done.filter((each) => each.startsWith('save')),
    [],
  )
})

test('an empty upload needs no body: its type is decided, and it is finished', async () => {
  const { upload, done, receive } = place({ facts: { length: 0 } })
  assert.is(await receive('', 'complete', { body: null }), 'none')
  assert.equal([upload.type, done], ['text/plain', ['finish']])
})

test('a partial upload that is whole is written before the answer: its join comes after it', async () => {
  const { done, receive } = place({ facts: { concat: 'partial' } })
  assert.is(await receive('ten bytes.'), 'none')
  assert.equal(done, ['save 10', 'progress 10 of 10'])
})

test('an upload that its body made whole is finished, also where the body was stopped behind its last byte', async () => {
  for (const end of ['complete', 'cut', 'taken_over', 'shutting_down'] as const) {
    const { upload, done, receive } = place({ stored: 'ten ' })
    assert.is(await receive('bytes.', end), 'none', end)
    assert.equal([upload.sha256, done.at(-1)], [sha256('ten bytes.'), 'finish'], end)
  }
})

test('a client that sends more than it declared gets 413, and what fits is finished', async () => {
  const { upload, done, textOf, receive } = place()
  assert.is(await receive('ten bytes. and more'), 'length_exceeded')
  assert.equal([textOf(), done, upload.state], ['ten bytes.', ['finish'], 'finished'])
})

test('a creation whose client cannot learn the address is undone, not finished', async () => {
  for (const end of ['cut', 'idle', 'slow'] as const) {
    const { done, receive } = place()
    assert.is(await receive('ten bytes.', end, { creation: PLAIN }), 'none')
    assert.equal(done, ['abandon'], end)
  }
  const { done, receive } = place()
  assert.is(await receive('ten bytes. and more', 'complete', { creation: PLAIN }), 'length_exceeded')
  assert.not(done.includes('finish'))
})

test('a length that comes with a body is written before its first byte', async () => {
  const { upload, done, receive } = place({ facts: { length: null } })
  assert.is(await receive('five5', 'complete', { length: 6 }), 'none')
  assert.is(upload.length, 6)
  assert.equal(done, ['save 0', 'save later', 'progress 5 of 6'])
})

test('a length is forgotten that its own body runs over, and so is a type that few bytes gave; the bytes stay', async () => {
  const { upload, done, textOf, receive } = place({ facts: { length: null } })
  assert.is(await receive('five5', 'complete', { length: 3 }), 'length_exceeded')
  assert.equal([upload.length, upload.type, textOf()], [null, null, 'fiv'])
  assert.equal(done.slice(-2), ['save 3', 'progress 3 of null'])
})

test('if the body is rejected, the Upload-Length that came with it is forgotten, also on the disk', async () => {
  const { upload, done, textOf, receive } = place({ facts: { length: null } })
  const rest = { length: 5, checksum: checksumOf('other') }
  assert.is(await receive('five5', 'complete', rest), 'checksum_mismatch')
  assert.equal([upload.length, upload.offset, textOf()], [null, 0, ''])
  assert.equal(done.slice(-3), ['save 0', 'progress 0 of null', 'recover checksum_mismatch'])
})

test('an upload without a length takes --max-size bytes, and more is 413', async () => {
  const { upload, receive } = place({ facts: { length: null } })
  assert.is(await receive('x'.repeat(MOST_BYTES)), 'none')
  assert.is(await receive('x'), 'size_exceeded')
  assert.is(upload.offset, MOST_BYTES)
})

test('nothing of a body counts before its checksum is verified, after a crash neither', async () => {
  const { upload, done, receive } = place({ stored: 'four' })
  assert.is(await receive('five5', 'complete', { checksum: checksumOf('five5') }), 'none')
  assert.equal([upload.offset, upload.verifiedTo], [9, 9])
  assert.is(done[0], 'note 4', 'on the disk before the first byte')
  assert.equal(done.slice(-3), ['note 9', 'flush later', 'progress 9 of 10'])
})

test('a body with a checksum that was cut is taken back: a checksum is that of the whole body', async () => {
  for (const end of ['cut', 'taken_over', 'idle'] as const) {
    const { upload, textOf, receive } = place({ stored: 'four' })
    await receive('five5', end, { checksum: checksumOf('five5') })
    assert.equal([upload.offset, textOf()], [4, 'four'], end)
  }
})

test('an upload whose body cannot be taken back leaves memory: the next request loads what is stored', async () => {
  const { engine, done, receive } = place({ stored: 'four' })
  engine.rollBack = async () => {
    throw new Error('EIO: i/o error, ftruncate')
  }
  assert.is(await receive('five5', 'cut', { checksum: checksumOf('five5') }), 'none')
  assert.ok(done.includes('evict'))
})

test('a refused type removes the upload; its first bytes may have come with an earlier request', async () => {
  for (const [stored, text] of [
    ['', '!five'],
    ['!', 'five5'],
  ] as const) {
    const { upload, done, receive } = place({ stored })
    assert.is(await receive(text), 'type_refused')
    assert.is(upload.offset, stored.length, 'nothing of it is stored')
    assert.ok(done.includes('refuse'))
  }
})

test('where the disk is full no byte of the body is read', async () => {
  const { engine, upload, done, receive } = place()
  engine.full = true
  assert.is(await receive('five5'), 'disk_full')
  assert.equal([upload.offset, done], [0, []])
})

test('a length that comes with a body must fit on the disk before the body is read', async () => {
  const { engine, receive } = place({ stored: 'four', facts: { length: null } })
  const asked: number[] = []
  Object.assign(engine, { isFull: async (bytes: number) => asked.push(bytes) > 0 })
  assert.is(await receive('five5', 'complete', { length: 15 }), 'disk_full')
  assert.equal(asked, [11])
})

test('a file that is gone or damaged is recovered from before the answer, and no byte of the body is read', async () => {
  for (const [bytes, code] of [
    [null, 'upload_unknown'],
    [Buffer.from('fou'), 'offset_conflict'],
  ] as const) {
    const { storage, done, receive } = place({ stored: 'four', facts: { type: 'text/plain' } })
    Object.assign(storage.uploads.get(ID) ?? {}, { bytes })
    const body = { ...bodyOf(arena, '', 'complete'), drain: never }
    assert.equal([await receive('', 'complete', { body }), done], [code, [`recover ${code}`]])
  }
})

test('"no wrong byte is kept": an upload whose prefix proves damaged meanwhile is cut, not finished', async () => {
  const { engine, upload, done, receive } = place({ stored: 'ten ' })
  const { append } = engine
  engine.append = (...args) => {
    upload.setDamaged(2)
    return append.apply(engine, args)
  }
  assert.is(await receive('bytes.'), 'offset_conflict')
  assert.equal(
    done.filter((each) => /cut|finish/.test(each)),
    ['cut damaged'],
  )
})

test('after a restart the sidecar is written before the first byte: bytes of this boot count only under it', async () => {
  const { done, receive } = place({ stored: 'four', facts: { isCurrent: false } })
  assert.is(await receive('five5'), 'none')
  assert.is(done[0], 'save 4')
})

test('a file that cannot be closed does not change the answer', async () => {
  const { engine, receive } = place({ stored: 'four' })
  engine.close = async (id) => {
    engine.openBodies.delete(id)
    throw new Error('EIO: i/o error, close')
  }
  assert.is(await receive('five5', 'taken_over'), 'upload_taken_over')
})

test.run()
