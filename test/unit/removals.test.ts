import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { HookRequest } from '../../server/model/hook.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import type { StoredFacts } from '../../server/model/upload-facts.js'
import { Removals } from '../../server/uploads/removals.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { MemoryStorage } from '../helpers/memory-storage.js'
import { noBlocks, uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf, sha256 } from '../helpers/upload-fakes.js'

const test = suite('removals')

const ID = idOf('1')
const ASKED: HookRequest = {
  method: 'DELETE',
  uri: `/files/${ID}`,
  remoteAddress: '127.0.0.1:1',
  headers: {},
}
const WHOLE_PART = { concat: 'partial', offset: 10 }
const REMOVED = 'terminated: terminated by the client'

interface Fakes {
  readonly mayAccess?: boolean
  /** A final upload needs the upload's bytes. */
  readonly isNeeded?: boolean
  readonly beforeRemoval?: () => Promise<void>
  readonly remove?: () => Promise<void>
}

/** Removals among fakes, one upload to which a client sends, and what was done, in order. */
function place(facts: Partial<StoredFacts> = {}, fakes: Fakes = {}) {
  const upload = uploadOf(ID, facts)
  const done: string[] = []
  upload.receive({ isStopped: false, drain: async () => 'stopped', stop: (why) => done.push(`body: ${why}`) })
  const removals = new Removals({
    tools: {
      engine: new MemoryEngine(noBlocks, new MemoryStorage()),
      mayAccess: () => fakes.mayAccess ?? true,
      underLock: (_, work) => {
        done.push('locked')
        return work()
      },
      hooks: fakes.beforeRemoval ? { beforeRemoval: fakes.beforeRemoval } : null,
    },
    uploads: {
      leaving: async () => {},
      load: async (id) => (id === ID ? upload : undefined),
      peek: (id) => (id === ID ? upload : undefined),
    },
    lifecycle: {
      remove: async (_, state, reason) => {
        done.push(`${state}: ${reason}`)
        await fakes.remove?.()
      },
    },
    joiner: {
      removable: (ids) => new Set(fakes.isNeeded ? [] : ids),
      terminate: async () => void done.push('bytes kept'),
      forget: async () => void done.push('final forgotten'),
      partChanged: () => void done.push('part changed'),
    },
  })
  return { upload, removals, done }
}

test('DELETE removes an upload and tells whoever waits for it', async () => {
  const ends = [
    { facts: {}, expected: [REMOVED] },
    { facts: { parts: [idOf('2')], concat: 'final' }, expected: [REMOVED, 'final forgotten'] },
    { facts: WHOLE_PART, expected: [REMOVED, 'part changed'] },
  ]
  for (const { facts, expected } of ends) {
    const { upload, removals, done } = place(facts)
    await removals.terminate(upload, ASKED)
    assert.equal(done, expected)
  }
})

test('the bytes of a whole part stay while a final upload needs them; those of an unfinished one go', async () => {
  const whole = place(WHOLE_PART, { isNeeded: true })
  await whole.removals.terminate(whole.upload, null)
  assert.equal(whole.done, ['bytes kept'])
  const unfinished = place({ ...WHOLE_PART, offset: 9 }, { isNeeded: true })
  await unfinished.removals.terminate(unfinished.upload, null)
  assert.equal(unfinished.done, [REMOVED, 'part changed'])
})

test('a part that was terminated, and what belongs to others, is not there', async () => {
  const terminated = place({ ...WHOLE_PART, terminatedAt: new Date().toISOString() })
  assert.is(await terminated.removals.known(ID, ANONYMOUS), undefined)
  const foreign = place({}, { mayAccess: false })
  assert.is(await foreign.removals.known(ID, ANONYMOUS), undefined)
  assert.is(await codeOf(foreign.removals.removeFor(ID, ANONYMOUS, null)), 'upload_unknown')
  assert.equal(foreign.done, [], 'nor is its body stopped')
  const own = place()
  assert.is(await own.removals.known(ID, ANONYMOUS), own.upload)
  assert.is(await own.removals.known(idOf('2'), ANONYMOUS), undefined)
})

test('the request is in the event of the removal, and in no later one, also where the disk fails', async () => {
  let seen: HookRequest | null = null
  const { upload, removals } = place(
    {},
    {
      remove: async () => {
        seen = upload.hooks.request
        throw new Error('the disk fails')
      },
    },
  )
  assert.is(await codeOf(removals.terminate(upload, ASKED)), 'Error: the disk fails')
  assert.equal([seen, upload.hooks.request], [ASKED, null])
})

test('a hook that refuses stops the removal before the running request is ended', async () => {
  const refuse = async () => {
    throw new UploadError('termination_rejected')
  }
  const refused = place({}, { beforeRemoval: refuse })
  assert.is(await codeOf(refused.removals.removeFor(ID, ANONYMOUS, ASKED)), 'termination_rejected')
  assert.equal(refused.done, [])
  const accepted = place({}, { beforeRemoval: async () => {} })
  await accepted.removals.removeFor(ID, ANONYMOUS, ASKED)
  assert.equal(accepted.done, ['body: stopped', 'locked', REMOVED])
})

test('a hook stops an upload that is unfinished, and no finished one', async () => {
  const unfinished = place(WHOLE_PART)
  await unfinished.removals.stop(ID)
  assert.equal(unfinished.done, ['body: stopped', 'locked', 'terminated: stopped by a hook', 'part changed'])
  const finished = place({ offset: 10, sha256: sha256('ten bytes.'), finishedAt: new Date().toISOString() })
  await finished.removals.stop(ID)
  assert.equal(finished.done, ['body: stopped', 'locked'])
})

test.run()
