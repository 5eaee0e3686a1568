import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ADMIN, ANONYMOUS, mayAccess } from '../../server/model/principal.js'
import { Removals } from '../../server/uploads/removals.js'
import { Uploads } from '../../server/uploads/uploads.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { MemoryStorage } from '../helpers/memory-storage.js'
import { keep, noBlocks, uploadOf } from '../helpers/stored-upload.js'

const test = suite('removals-lock')

const ID = `20261125-${'a'.repeat(32)}`

/** An upload that is stored and not in memory, and what is seen of it when its lock is asked for. */
function place({ owner = null }: { owner?: string | null } = {}) {
  const storage = new MemoryStorage()
  const engine = new MemoryEngine(noBlocks, storage)
  const upload = uploadOf(ID, { owner })
  keep(storage, upload, '')
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const uploads = new Uploads({ engine, log, isHeld: () => false, isOwn: () => true })
  const seen: string[] = []
  const removals = new Removals({
    uploads,
    tools: {
      ...{ engine, hooks: null, mayAccess },
      underLock: async (_, work) => {
        seen.push(uploads.peek(ID) ? 'in memory without its lock' : 'on the disk')
        return work()
      },
    },
    lifecycle: { remove: async ({ id }) => void seen.push(`removed ${id}`) },
    joiner: {
      removable: (ids) => new Set(ids),
      terminate: async () => {},
      forget: async () => {},
      partChanged: () => {},
    },
  })
  return { storage, uploads, removals, seen }
}

const codeOf = (removal: Promise<void>): Promise<string> =>
  removal.then(
    () => 'removed',
    (error: unknown) => String(Reflect.get(Object(error), 'code')),
  )

test('an upload is loaded under its lock, never before', async () => {
  const { removals, seen } = place()
  assert.is(await codeOf(removals.removeFor(ID, ADMIN, null)), 'removed')
  assert.equal(seen, ['on the disk', `removed ${ID}`])
})

test('what is not there for a principal is not asked for its lock', async () => {
  const { removals, seen, storage, uploads } = place({ owner: 'ann' })
  assert.is(await codeOf(removals.removeFor(ID, ANONYMOUS, null)), 'upload_unknown')
  assert.is(await codeOf(removals.removeFor('no id', ADMIN, null)), 'upload_unknown')
  assert.is(await codeOf(removals.removeFor(`20261125-${'b'.repeat(32)}`, ADMIN, null)), 'upload_unknown')
  const kept = storage.uploads.get(ID)
  if (kept) storage.uploads.set(ID, { ...kept, facts: null })
  assert.is(await codeOf(removals.removeFor(ID, ADMIN, null)), 'upload_locked')
  assert.equal(seen, [])
  assert.is(uploads.peek(ID), undefined)
})

test.run()
