import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Uploads } from '../../server/uploads/uploads.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { MemoryStorage } from '../helpers/memory-storage.js'
import { keep, noBlocks, uploadOf } from '../helpers/stored-upload.js'

const ID = `20261125-${'a'.repeat(32)}`

/** An upload that is stored and not in memory, and uploads in memory over its engine. */
function place(isOwn = (): boolean => true) {
  const storage = new MemoryStorage()
  const engine = new MemoryEngine(noBlocks, storage)
  const upload = uploadOf(ID)
  keep(storage, upload, '')
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const uploads = new Uploads({ engine, log, isHeld: () => false, isOwn })
  return { storage, engine, upload, uploads, ...removal(engine) }
}

/** A removal that goes on when the test says so. */
function removal(engine: MemoryEngine): { remove: () => Promise<void>; go: (fails?: boolean) => void } {
  let go = (_fails?: boolean): void => {}
  const removed = new Promise<void>((resolve, reject) => {
    go = (fails = false) => {
      if (fails) return reject(new Error('EIO: the disk'))
      resolve(engine.remove([ID]))
    }
  })
  return { remove: () => removed, go }
}

test('a load while an upload is being removed does not bring it back to life', async () => {
  const { upload, uploads, remove, go } = place()
  uploads.add(upload)
  const left = uploads.leave(ID, remove)
  const loaded = uploads.load(ID)
  // Long enough for a load that reads the two files at once.
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.is(uploads.peek(ID), undefined)
  go()
  await left
  assert.is(await loaded, undefined)
  assert.is(await uploads.load(ID), undefined)
  assert.is(uploads.peek(ID), undefined)
})

test('a removal that comes while an upload is being loaded does not bring it back to life', async () => {
  const { uploads, remove, go } = place()
  const loaded = uploads.load(ID)
  const left = uploads.leave(ID, remove)
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  go()
  await left
  assert.is(await loaded, undefined)
  assert.is(uploads.peek(ID), undefined)
})

test('an upload whose files could not be removed is read from the disk again', async () => {
  const { upload, uploads, remove, go } = place()
  uploads.add(upload)
  const left = uploads.leave(ID, remove).catch((error: unknown) => error)
  const loaded = uploads.load(ID)
  go(true)
  assert.instance(await left, Error)
  assert.is((await loaded)?.id, ID)
})

test('a removal that begins while a file is cut back keeps the upload from memory too', async () => {
  const { storage, engine, uploads, remove, go } = place()
  // Saved in another boot, so that no byte counts.
  keep(storage, uploadOf(ID, { isCurrent: false }), 'abc')
  let left: Promise<void> | undefined
  engine.truncate = async () => {
    left = uploads.leave(ID, remove)
  }
  const loaded = uploads.load(ID)
  while (!left) await new Promise((resolve) => setImmediate(resolve))
  go()
  await left
  assert.is(await loaded, undefined)
  assert.is(uploads.peek(ID), undefined)
})

test('what another node may have changed is not shown from memory, unless its bytes come here', () => {
  let isHeldHere = false
  const { upload, uploads } = place(() => isHeldHere)
  uploads.add(upload)
  assert.is(uploads.peek(ID), undefined)
  assert.ok(uploads.isInMemory(ID))
  isHeldHere = true
  assert.is(uploads.peek(ID), upload)
  isHeldHere = false
  upload.receive({ isStopped: false, drain: async () => 'complete', stop: () => {} })
  assert.is(uploads.peek(ID), upload)
})

test('nothing is saved of an upload that another node has changed', async () => {
  const { upload, uploads } = place()
  uploads.add(upload)
  const ends: boolean[] = []
  upload.saves.endPause = (isNeeded) => void ends.push(isNeeded)
  await uploads.forget(ID)
  assert.equal(ends, [false])
  assert.ok(upload.halted)
  assert.not(uploads.isInMemory(ID))
  assert.not((await uploads.load(ID)) === upload)
})

test('what waits to be saved is saved now, where an upload is given to other nodes', async () => {
  const { upload, uploads } = place()
  uploads.add(upload)
  let saved = (): void => {}
  upload.saves.endPause = (isNeeded) => {
    if (isNeeded) saved()
  }
  upload.saves.last = new Promise((resolve) => {
    saved = resolve
  })
  await uploads.saved(ID)
})

test.run()
