import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { SharedUploadsParts } from '../../server/cluster/shared-uploads.js'
import { createLocks } from '../../server/create-locks.js'

test('an upload is given to other nodes although its events cannot be written for a long time', async () => {
  const seen: string[] = []
  let uploads: SharedUploadsParts['uploads'] | undefined
  const sharing = {
    turns: { unlessTaken: async () => {}, inTurn: async () => {} },
    locks: (own: SharedUploadsParts['uploads']) => {
      uploads = own
      return { acquire: async () => undefined, tryAcquire: async () => undefined }
    },
  }
  const store = {
    mayInterrupt: () => true,
    uploads: { saved: async (id: string) => void seen.push(`saved ${id}`) },
  }
  const settled = (id: string): Promise<void> => {
    seen.push(`asked for the events of ${id}`)
    return new Promise(() => {})
  }
  createLocks({ waitMs: 1, mostWaiting: 1 }, sharing as never, () => store as never, { settled })
  await uploads?.saved('x')
  assert.equal(seen, ['saved x', 'asked for the events of x'])
})

test.run()
