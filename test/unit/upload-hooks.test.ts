import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadHooks } from '../../server/uploads/upload-hooks.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { idOf } from '../helpers/upload-fakes.js'

test('"at least once, whatever crashes": the files of an upload do not go before its post-finish is written', async () => {
  let write = (): void => {}
  const done: string[] = []
  const written = new Promise<void>((resolve) => {
    write = resolve
  })
  const hooks = new UploadHooks({
    decider: { listensTo: () => true, decide: async () => ({}) },
    finishing: {
      expect: () => {},
      intend: async () => {},
      withdraw: () => {},
      written: async (id) => {
        await written
        done.push(`written ${id}`)
      },
    },
    ...{ received: null, progressIntervalMs: 0, monotonic: () => 0, now: () => 0 },
  })
  const removal = hooks.beforeRemoval(uploadOf(idOf('1')), null).then(() => done.push('removed'))
  write()
  await removal
  assert.equal(done, [`written ${idOf('1')}`, 'removed'])
})

test.run()
