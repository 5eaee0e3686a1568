import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { Prover } from '../../server/uploads/prover.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { noBlocks, uploadOf } from '../helpers/stored-upload.js'

const ID = `20261125-${'a'.repeat(32)}`

/** A proof of an upload of 30 bytes that reads ten in each step; `step` is called before each. */
function place(step: (number: number) => { damagedAfter: number } | undefined = () => undefined) {
  const upload = uploadOf(ID, { offset: 30, length: 50 })
  const engine = new MemoryEngine(noBlocks)
  let steps = 0
  engine.prove = async (_, { to }) => {
    steps += 1
    const offset = Math.min(to, steps * 10)
    return { offset, damagedAfter: null, ...step(steps) }
  }
  const warnings: string[] = []
  const note = (_: object, message: string): void => void warnings.push(message)
  const prover = new Prover({ engine, log: { info: () => {}, warn: note, error: note } })
  return { upload, prover, warnings, steps: () => steps }
}

test('"the digest rolls over the whole upload": it is live once the proof has come to the offset, and not before', async () => {
  const { upload, prover, steps } = place((number) => {
    assert.not(upload.digestLive)
    // Bytes that come meanwhile are read too.
    if (number === 3) upload.addBytes(10, 0)
    return undefined
  })
  await prover.prove(upload)
  assert.is(steps(), 4)
  assert.ok(upload.digestLive)
  assert.is(upload.proof.running, null)
})

test('a prefix that is damaged ends the proof, and the digest is not live', async () => {
  const { upload, prover, steps } = place((number) => (number === 2 ? { damagedAfter: 10 } : undefined))
  await prover.prove(upload)
  assert.equal([steps(), upload.damagedAfter, upload.digestLive], [2, 10, false])
})

test('a proof that fails in the background is not begun again with each batch', async () => {
  const { upload, prover, steps, warnings } = place(() => {
    throw new Error('EIO: i/o error, read')
  })
  prover.start(upload)
  prover.start(upload)
  await upload.proof.running?.catch(() => {})
  await new Promise((resolve) => setImmediate(resolve))
  prover.start(upload)
  assert.equal([steps(), warnings.length, upload.proof.hasFailed], [1, 1, true])
})

test('a proof that ends because another node has taken the upload is begun again with the next body here', async () => {
  const { upload, prover, steps, warnings } = place((number) => {
    if (number === 1) throw new UploadError('upload_taken_over')
    return undefined
  })
  prover.start(upload)
  await upload.proof.running?.catch(() => {})
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal([warnings.length, upload.proof.hasFailed], [0, false])
  prover.start(upload)
  await upload.proof.running
  assert.ok(steps() > 1)
  assert.ok(upload.digestLive)
})

test.run()
