import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANONYMOUS, mayAccess } from '../../server/model/principal.js'
import { Joiner } from '../../server/uploads/joining/joiner.js'
import type { StorageTools } from '../../server/uploads/tools.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { noBlocks, uploadOf } from '../helpers/stored-upload.js'

const PART = `20261125-${'a'.repeat(32)}`
const FINAL = `20261125-${'f'.repeat(32)}`

test('a final upload whose creation fails once its files are made is removed again', async () => {
  const part = uploadOf(PART, { concat: 'partial' })
  let final: StoredUpload | undefined
  const removed: string[] = []
  const tools: StorageTools = Object.assign(Object.create(null), {
    ...{ engine: new MemoryEngine(noBlocks), now: Date.now, expireAfterMs: 86_400_000, keepPartialsMs: 0 },
    ...{ maxSizeBytes: 1000, row: async () => undefined },
    underLock: (_: string, work: () => Promise<void>) => work(),
    isHeldByRequest: () => false,
    mayAccess,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  })
  const parts: ConstructorParameters<typeof Joiner>[0] = Object.assign(Object.create(null), {
    tools,
    uploads: {
      drop: () => {},
      leaving: () => undefined,
      peek: () => {
        if (final) throw new Error('EMFILE: too many open files')
        return part
      },
    },
    lifecycle: { remove: async ({ id }: StoredUpload) => void removed.push(id) },
  })
  const joiner = new Joiner(parts)
  await joiner.firstSweepEnded()
  const wanted = { id: FINAL, parts: [PART], metadata: null, client: '127.0.0.1', principal: ANONYMOUS }
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
