import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { pathsOf } from '../../server/files/paths.js'
import { formatSidecar } from '../../server/model/sidecar.js'
import { StoredUpload } from '../../server/uploads/upload.js'
import { Uploads } from '../../server/uploads/uploads.js'
import { temporaryFolder } from '../helpers/server.js'

const ID = `20261125-${'a'.repeat(32)}`
const BOOT = 'this boot'

function stored(dataDir: string): StoredUpload {
  const at = { createdAt: new Date().toISOString(), touchedAtMs: Date.now() }
  const told = { metadata: null, filename: null, declaredType: null, concat: null, parts: null }
  const open = {
    type: null,
    checkpoints: [],
    sha256: null,
    finishedAt: null,
    joinedAt: null,
    terminatedAt: null,
  }
  const facts = { id: ID, length: 10, offset: 0, verifiedTo: null, bootId: BOOT, ...at, ...told, ...open }
  const upload = new StoredUpload(facts, pathsOf(dataDir, ID))
  mkdirSync(dirname(upload.paths.file), { recursive: true })
  writeFileSync(upload.paths.file, '')
  writeFileSync(upload.paths.sidecar, formatSidecar(upload.toSidecar(Date.now(), BOOT)))
  return upload
}

function uploadsIn(dataDir: string, truncate = async (): Promise<void> => {}): Uploads {
  const thread = { forget: async () => {}, truncate }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  return new Uploads({ dataDir, thread, bootId: BOOT, log, isHeld: () => false })
}

/** A removal that goes on when the test says so. */
function removal(upload: StoredUpload): { remove: () => Promise<void>; go: (fails?: boolean) => void } {
  let go = (_fails?: boolean): void => {}
  const removed = new Promise<void>((resolve, reject) => {
    go = (fails = false) => {
      if (fails) return reject(new Error('EIO: the disk'))
      rmSync(upload.paths.file)
      rmSync(upload.paths.sidecar)
      resolve()
    }
  })
  return { remove: () => removed, go }
}

test('a load while an upload is being removed does not bring it back to life', async () => {
  const upload = stored(temporaryFolder())
  const uploads = uploadsIn(upload.paths.file.split('/uploads/')[0] ?? '')
  uploads.add(upload)
  const { remove, go } = removal(upload)
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
  const upload = stored(temporaryFolder())
  const uploads = uploadsIn(upload.paths.file.split('/uploads/')[0] ?? '')
  const { remove, go } = removal(upload)
  const loaded = uploads.load(ID)
  const left = uploads.leave(ID, remove)
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve))
  go()
  await left
  assert.is(await loaded, undefined)
  assert.is(uploads.peek(ID), undefined)
})

test('an upload whose files could not be removed is read from the disk again', async () => {
  const upload = stored(temporaryFolder())
  const uploads = uploadsIn(upload.paths.file.split('/uploads/')[0] ?? '')
  uploads.add(upload)
  const { remove, go } = removal(upload)
  const left = uploads.leave(ID, remove).catch((error: unknown) => error)
  const loaded = uploads.load(ID)
  go(true)
  assert.instance(await left, Error)
  assert.is((await loaded)?.id, ID)
})

test('a removal that begins while a file is cut back keeps the upload from memory too', async () => {
  const upload = stored(temporaryFolder())
  // Of another boot, so that no byte counts.
  writeFileSync(upload.paths.sidecar, formatSidecar(upload.toSidecar(Date.now(), 'another boot')))
  writeFileSync(upload.paths.file, 'abc')
  const { remove, go } = removal(upload)
  let left: Promise<void> | undefined
  const uploads = uploadsIn(upload.paths.file.split('/uploads/')[0] ?? '', async () => {
    left = uploads.leave(ID, remove)
  })
  const loaded = uploads.load(ID)
  while (!left) await new Promise((resolve) => setImmediate(resolve))
  go()
  await left
  assert.is(await loaded, undefined)
  assert.is(uploads.peek(ID), undefined)
})

test.run()
