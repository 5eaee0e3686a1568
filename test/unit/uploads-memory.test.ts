import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createId } from '../../server/model/upload-id.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { bytesOf, Uploads } from '../../server/uploads/uploads.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { noBlocks, uploadOf } from '../helpers/stored-upload.js'

const test = suite('uploads-memory')
const AT = '2026-11-25T12:00:00.000Z'
const KIB = 1024
const MOST_BYTES = 2 * KIB * KIB

function numbered(
  number: number,
  texts: { metadata?: string; concat?: string; parts?: readonly string[] },
): StoredUpload {
  return uploadOf(createId(new Date(AT), number.toString(16).padStart(32, '0')), texts)
}

function keeper(isHeld: (id: string) => boolean = () => false) {
  const forgotten: string[] = []
  const silent = { info: () => {}, warn: () => {}, error: () => {} }
  const engine = new MemoryEngine(noBlocks)
  engine.forget = async (id: string) => void forgotten.push(id)
  const uploads = new Uploads({ engine, log: silent, isHeld, isOwn: () => true })
  return { uploads, forgotten }
}

const kept = (uploads: Uploads, all: readonly StoredUpload[]): StoredUpload[] =>
  all.filter(({ id }) => uploads.peek(id))

for (const [what, texts] of [
  ['metadata of 8 KiB', { metadata: 'm'.repeat(8 * KIB) }],
  ['Upload-Concat of 64 KiB', { concat: 'c'.repeat(64 * KIB), parts: Array<string>(900).fill('id') }],
] as const) {
  test(`what is kept in memory of uploads is bounded in bytes: ${what}`, () => {
    const { uploads, forgotten } = keeper()
    const all = Array.from({ length: 2000 }, (_, number) => numbered(number, texts))
    for (const upload of all) uploads.add(upload)
    const bytes = kept(uploads, all).reduce((sum, upload) => sum + bytesOf(upload), 0)
    assert.ok(bytes <= MOST_BYTES && bytes > MOST_BYTES / 2, `${bytes} bytes are kept`)
    assert.ok(uploads.peek(all.at(-1)?.id ?? ''), 'the newest is kept')
    assert.is(forgotten.length, 2000 - kept(uploads, all).length)
  })
}

test('small uploads are kept up to five hundred, and one that is held stays', () => {
  const first = numbered(0, {})
  const { uploads } = keeper((id) => id === first.id)
  const all = [first, ...Array.from({ length: 1500 }, (_, number) => numbered(number + 1, {}))]
  for (const upload of all) uploads.add(upload)
  assert.is(kept(uploads, all).length, 500)
  assert.is(uploads.peek(first.id), first)
})

for (const [what, begin] of [
  ['whose facts are being saved', (upload) => Object.assign(upload.saves, { underWay: 1 })],
  [
    'whose prefix is being read again',
    (upload) => Object.assign(upload.proof, { running: Promise.resolve() }),
  ],
  ['that is being joined', (upload) => Object.assign(upload, { joining: Promise.resolve() })],
] as const satisfies readonly (readonly [string, (upload: StoredUpload) => void])[]) {
  test(`an upload ${what} stays in memory, so that nobody reads an older state of it from the disk`, () => {
    const { uploads } = keeper()
    const first = numbered(0, {})
    begin(first)
    const others = Array.from({ length: 1500 }, (_, number) => numbered(number + 1, {}))
    for (const upload of [first, ...others]) uploads.add(upload)
    assert.is(uploads.peek(first.id), first)
  })
}

test('an upload that is added or dropped twice counts once', () => {
  const { uploads } = keeper()
  const large = numbered(0, { metadata: 'm'.repeat(8 * KIB) })
  for (let round = 0; round < 1000; round++) {
    uploads.add(large)
    uploads.add(large)
    uploads.drop(large.id)
    uploads.drop(large.id)
  }
  const small = Array.from({ length: 450 }, (_, number) => numbered(number + 1, {}))
  for (const upload of small) uploads.add(upload)
  assert.is(kept(uploads, small).length, 450)
})

test.run()
