import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadHooks } from '../../server/uploads/upload-hooks.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { idOf } from '../helpers/upload-fakes.js'

const ID = idOf('1')

/** Hooks whose finishes are noted by a fake, and what was called, in order. */
function place({ intend = async () => {} }: { intend?: () => Promise<void> } = {}) {
  const done: string[] = []
  const note = (name: string) => (): void => void done.push(name)
  const hooks = new UploadHooks({
    decider: { listensTo: () => false, decide: async () => ({}) },
    finishing: {
      expect: note('expect'),
      withdraw: note('withdraw'),
      forget: note('forget'),
      intend: async () => {
        await intend()
        done.push('intend')
      },
      failed: async () => void done.push('failed'),
      confirm: ({ upload }) => done.push(`confirm ${upload.offset} of ${upload.length}`) > 0,
      written: async (id) => void done.push(`written ${id}`),
    },
    ...{ received: null, progressIntervalMs: 0, monotonic: () => 0, now: () => 0 },
  })
  return { hooks, done }
}

test('"at least once, whatever crashes": a finish waits until it is noted, and one that fails is looked at', async () => {
  const { hooks, done } = place()
  const upload = uploadOf(ID, { offset: 3, length: 3 })
  const finish = async (after?: Promise<void>): Promise<void> => {
    done.push('flushed')
    await after
    done.push('finished')
  }
  await hooks.whileFinishing(upload, finish)
  const failing = hooks.whileFinishing(upload, async () => {
    throw new Error('EIO')
  })
  await failing.catch((error: unknown) => done.push(String(error)))
  assert.equal(done, ['flushed', 'intend', 'finished', 'intend', 'failed', 'Error: EIO'])
})

test('a finish that cannot be noted fails', async () => {
  const intend = async (): Promise<void> => {
    throw new Error('ENOSPC')
  }
  const { hooks, done } = place({ intend })
  const finishing = hooks.whileFinishing(uploadOf(ID), async (after) => after)
  assert.match(await finishing.then(String, String), 'ENOSPC')
  assert.equal(done, ['failed'])
})

test('a finish that cannot be noted fails also where an earlier write keeps it waiting, and is no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  const intend = async (): Promise<void> => {
    throw new Error('ENOSPC')
  }
  const { hooks } = place({ intend })
  const finishing = hooks.whileFinishing(uploadOf(ID), async (after) => {
    await new Promise((resolve) => setTimeout(resolve, 10))
    await after
  })
  assert.match(await finishing.then(String, String), 'ENOSPC')
  process.off('unhandledRejection', note)
  assert.equal(unhandled, [])
})

test('the files of an upload do not go before its post-finish is written', async () => {
  const { hooks, done } = place()
  await hooks.beforeFilesGo([ID, idOf('2')])
  assert.equal(done, [`written ${ID}`, `written ${idOf('2')}`])
})

test('a part is whole once it has its bytes, whatever became of its request', () => {
  const { hooks, done } = place()
  const concat = 'partial'
  hooks.bodyEnded(uploadOf(ID, { concat, offset: 2, length: 3 }))
  hooks.bodyEnded(uploadOf(ID, { concat, offset: 3, length: 3 }))
  hooks.bodyEnded(uploadOf(ID, { offset: 2, length: 3 }))
  assert.equal(done, ['forget', 'confirm 3 of 3', 'withdraw'])
})

test.run()
