import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { UploadFacts } from '../../server/model/upload-facts.js'
import { lastSaved } from '../../server/uploads/background-state.js'
import { Saver } from '../../server/uploads/saver.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { noBlocks, uploadOf } from '../helpers/stored-upload.js'
import { bounded } from '../helpers/test.js'
import { SOON_MS, until } from './intake-place.js'

const ID = `20261125-${'a'.repeat(32)}`

/** A saver over an engine whose writes and flushes go on when the test says so. */
function place() {
  const engine = new MemoryEngine(noBlocks)
  const upload = uploadOf(ID)
  const written: UploadFacts[] = []
  let flushes = 0
  let goOn = (): void => {}
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      goOn = resolve
    })
  engine.checkpoint = async (_, facts) => {
    written.push(facts())
    await turn()
  }
  engine.flush = async () => {
    flushes += 1
    await turn()
  }
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const terms = { expireAfterMs: 86_400_000, keepPartialsMs: 0 }
  const saver = new Saver({
    ...{ engine, log, ...terms, now: Date.now },
    ...{ unfinished: new Unfinished(10), durability: 'finish' },
  })
  return { saver, upload, written, flushes: () => flushes, goOn: () => goOn() }
}

/** Long enough for what waits for promises alone. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

test('what is noted as saved is what was written, also where the upload changes during the write', async () => {
  const { saver, upload, written, goOn } = place()
  upload.setVerifiedTo(5)
  const saved = saver.note(upload)
  await turns()
  upload.setVerifiedTo(null)
  goOn()
  await saved
  assert.is(written[0]?.verifiedTo, 5)
  assert.is(upload.saves.verifiedTo, 5, 'the sidecar has yet to say that all bytes count')
})

test('each flush in the background covers what came before it: one that is asked for during another comes after it', async () => {
  const { saver, upload, flushes, goOn } = place()
  saver.flushLater(upload)
  saver.flushLater(upload)
  await turns()
  assert.is(flushes(), 1, 'one that has not begun does for all that ask')
  saver.flushLater(upload)
  await turns()
  assert.is(flushes(), 1)
  goOn()
  await turns()
  assert.is(flushes(), 2)
  goOn()
  await upload.saves.lastFlush
})

test('each save in the background has the upload as it is at its turn, and the last one is never left out', async () => {
  const { saver, upload, written, goOn } = place()
  saver.saveLater(upload)
  await turns()
  upload.setType('text/plain')
  saver.saveLater(upload)
  saver.saveLater(upload)
  goOn()
  await turns()
  goOn()
  await upload.saves.last
  assert.equal(
    written.map(({ type }) => type),
    [null, 'text/plain'],
  )
  assert.is(upload.saves.underWay, 0)
})

const LONG_MS = 2 * SOON_MS

test('a save after a pause is written at once where somebody waits for it', async () => {
  const { saver, upload, written, goOn } = place()
  saver.saveLater(upload, LONG_MS)
  saver.saveLater(upload, LONG_MS)
  await turns()
  assert.is(written.length, 0, 'one that is under way does for all that ask')
  assert.is(upload.saves.underWay, 1, 'it keeps its upload in memory')
  const saved = lastSaved(upload.saves)
  await turns()
  goOn()
  await bounded(SOON_MS, saved, 'the save')
  assert.is(written.length, 1)
  assert.is(upload.saves.underWay, 0)
})

test('a save after a pause is left out where another one comes before it', async () => {
  const { saver, upload, written, goOn } = place()
  saver.saveLater(upload, LONG_MS)
  const saved = saver.save(upload)
  await turns()
  goOn()
  await bounded(SOON_MS, saved, 'the save')
  await turns()
  assert.is(written.length, 1)
  saver.saveLater(upload, 1)
  await until('the save after its pause', () => written.length === 2)
  goOn()
  await lastSaved(upload.saves)
})

test.run()
