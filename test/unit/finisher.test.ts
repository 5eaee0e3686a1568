import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Finisher } from '../../server/uploads/finisher.js'
import type { Finished } from '../../server/uploads/saver.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf, sha256, storageWith, TYPES } from '../helpers/upload-fakes.js'

const ID = idOf('1')
const TEXT = 'ten bytes.'

/** The finish of a whole upload of ten bytes among fakes, and what was done, in order. */
function place(text = TEXT, save: () => Promise<void> = async () => {}) {
  const { engine } = storageWith({ [ID]: text })
  const upload = uploadOf(ID, { offset: text.length, length: text.length })
  const done: string[] = []
  const saved: (Finished | undefined)[] = []
  const saver = {
    save: async (_: StoredUpload, finished?: Finished) => {
      await save()
      saved.push(finished)
      done.push(`saved while ${upload.sha256 === null ? 'unfinished' : 'finished'}`)
    },
  }
  const prover = {
    prove: async (): Promise<void> => {
      done.push('proven')
      await engine.prove(ID, { to: upload.offset, checkpoints: upload.checkpoints, budgetBytes: 100 })
      upload.setDigestLive(true)
    },
  }
  const announce = (_: StoredUpload, kind: string): void => void done.push(`${kind}: ${upload.state}`)
  const finisher = new Finisher({ engine, announce, ...TYPES, now: Date.now }, saver, prover)
  return { engine, upload, finisher, prover, done, saved }
}

test('an upload counts as finished once its sidecar says so, and not before', async () => {
  const { upload, finisher, done, saved } = place()
  upload.mark(10, sha256(TEXT))
  upload.setDigestLive(true)
  await finisher.finish(upload)
  assert.equal(done, ['saved while unfinished', 'finished: finished'])
  assert.equal([saved[0]?.sha256, upload.sha256], [sha256(TEXT), sha256(TEXT)])
  assert.is(saved[0]?.finishedAt, upload.finishedAt)
  assert.is(upload.type, 'text/plain')
})

test('after a restart the prefix is proven first, and the digest is that of all stored bytes', async () => {
  const { upload, finisher, done } = place()
  await finisher.finish(upload)
  assert.equal(done, ['proven', 'saved while unfinished', 'finished: finished'])
  assert.is(upload.sha256, sha256(TEXT))
  assert.equal(upload.checkpoints.at(-1), { offset: 10, sha256: sha256(TEXT) })
})

test('a checkpoint before the end is not the digest of the whole', async () => {
  const { engine, upload, finisher } = place()
  upload.mark(3, sha256('ten'))
  await engine.prove(ID, { to: 10, checkpoints: [], budgetBytes: 100 })
  upload.setDigestLive(true)
  await finisher.finish(upload)
  assert.is(upload.sha256, sha256(TEXT))
})

test('"no wrong byte is kept": an upload whose prefix proves damaged is not finished', async () => {
  const { upload, finisher, prover, done } = place()
  prover.prove = async () => upload.setDamaged(4)
  assert.is(await codeOf(finisher.finish(upload)), 'offset_conflict')
  assert.equal([upload.sha256, done], [null, []])
})

test('a type that may not come in leaves the upload unfinished, and its type is noted for the record', async () => {
  const { upload, finisher, done } = place('! refused ')
  assert.is(await codeOf(finisher.finish(upload)), 'type_refused')
  assert.equal([upload.sha256, upload.type, done], [null, 'text/x-refused', []])
})

test('where the sidecar cannot be written the upload is unfinished, and finishing it again finishes it once', async () => {
  let isFull = true
  const { upload, finisher, done } = place(TEXT, async () => {
    if (isFull) throw new Error('ENOSPC: no space left on device, write')
  })
  assert.match(await codeOf(finisher.finish(upload)), 'ENOSPC')
  assert.equal([upload.sha256, upload.finishedAt], [null, null])
  isFull = false
  await finisher.finish(upload)
  assert.equal(done.at(-1), 'finished: finished')
  assert.is(done.filter((each) => each.startsWith('finished')).length, 1)
})

test('a digest that was lost with its thread is an error, and the next try reads the bytes again', async () => {
  const { upload, finisher, done } = place()
  upload.setDigestLive(true)
  assert.is(await codeOf(finisher.finish(upload)), 'internal')
  assert.not(upload.digestLive)
  await finisher.finish(upload)
  assert.is(done[0], 'proven')
  assert.is(upload.sha256, sha256(TEXT))
})

test.run()
