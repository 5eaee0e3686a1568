import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANONYMOUS, mayAccess } from '../../server/model/principal.js'
import { Joiner } from '../../server/uploads/joining/joiner.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { noBlocks, uploadOf } from '../helpers/stored-upload.js'

const PART = `20261125-${'a'.repeat(32)}`
const FINAL = `20261125-${'f'.repeat(32)}`

test('a final upload whose creation fails once its files are made is removed again', async () => {
  const part = uploadOf(PART, { concat: 'partial' })
  let final: StoredUpload | undefined
  const removed: string[] = []
  const failing = async (): Promise<never> => {
    throw new Error('not called')
  }
  const tools: ConstructorParameters<typeof Joiner>[0]['tools'] = {
    ...{ engine: new MemoryEngine(noBlocks), now: Date.now, expireAfterMs: 86_400_000, keepPartialsMs: 0 },
    ...{ maxSizeBytes: 1000, row: async () => undefined, sniff: failing, sniffBytes: 512, hooks: null },
    underLock: (_, work) => work(),
    isReceiving: () => false,
    alone: null,
    announce: () => {},
    isHeldByRequest: () => false,
    mayAccess,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  }
  const parts: ConstructorParameters<typeof Joiner>[0] = {
    tools,
    saver: { note: failing, save: failing },
    prover: { prove: failing },
    uploads: {
      load: failing,
      drop: () => {},
      isEnding: false,
      leaving: () => undefined,
      peek: () => {
        if (final) throw new Error('EMFILE: too many open files')
        return part
      },
    },
    lifecycle: {
      ...{ finish: failing, isSound: failing, verify: failing, cutDamaged: failing },
      ...{ expire: failing, refuse: failing, remove: async ({ id }) => void removed.push(id) },
    },
  }
  const joiner = new Joiner(parts)
  await joiner.firstSweepEnded()
  const wanted = {
    id: FINAL,
    parts: [PART],
    metadata: null,
    client: '127.0.0.1',
    owner: null,
    grant: null,
    principal: ANONYMOUS,
  }
  const make = async (): Promise<StoredUpload> => {
    final = uploadOf(FINAL, { concat: 'final', parts: [PART] })
    return final
  }
  const failed = await joiner.create(wanted, make).catch((error: unknown) => error)
  assert.match(String(failed), 'EMFILE')
  assert.equal(removed, [FINAL])
  assert.not(joiner.needs(PART))
})

test.run()
