import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFinals } from '../../server/uploads/joining/open-finals.js'
import { PartRelease } from '../../server/uploads/joining/part-release.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { uploadOf } from '../helpers/stored-upload.js'

const PART = `20261125-${'a'.repeat(32)}`
const finalOf = (id: string) => ({ id, owner: null, grant: null, parts: [PART], metadata: null })

/** The release of one part among fakes; what was removed, with its reason. */
async function place(note = async (): Promise<void> => {}) {
  const finals = new OpenFinals()
  finals.firstSweepEnded()
  const part = uploadOf(PART, { concat: 'partial' })
  const removed: string[] = []
  const parts: ConstructorParameters<typeof PartRelease>[0] = {
    tools: {
      ...{ keepPartialsMs: 0, now: Date.now, announce: () => {}, isHeldByRequest: () => false, hooks: null },
      underLock: (_: string, work: () => Promise<void>) => work(),
      log: { info: () => {}, warn: () => {}, error: () => {} },
    },
    uploads: { load: async () => part },
    saver: { note, save: async () => {} },
    survey: { read: async () => undefined },
    shared: null,
    lifecycle: {
      remove: async (upload: StoredUpload, _: string, reason: string) => {
        upload.markGone()
        removed.push(reason)
      },
    },
  }
  const release = new PartRelease(parts, finals)
  await release.begin()
  return { finals, part, release, removed }
}

/** The joined final upload whose parts are released. */
const joined = (id: string): StoredUpload => uploadOf(id, { concat: 'final', parts: [PART] })

test('a part that its client terminated goes once the last final upload that names it is gone', async () => {
  const { finals, part, release, removed } = await place()
  finals.add(finalOf('one'))
  finals.add(finalOf('two'))
  await release.terminate(part)
  finals.delete(finalOf('one'))
  await release.joined(joined('one'))
  assert.equal(removed, [], 'another final upload needs it')
  finals.delete(finalOf('two'))
  await release.abandon([PART])
  assert.equal(removed, ['terminated by the client'])
})

test('a part that nobody terminated stays where its final upload is gone without it', async () => {
  const { finals, release, removed } = await place()
  finals.add(finalOf('one'))
  finals.delete(finalOf('one'))
  await release.abandon([PART])
  assert.equal(removed, [])
})

test('a part whose termination could not be written is there for its client again', async () => {
  const { part, release, removed } = await place(async () => {
    throw new Error('EIO: i/o error, write')
  })
  const failed = await release.terminate(part).catch((error: unknown) => error)
  assert.match(String(failed), 'EIO')
  assert.is(part.terminatedAt, null)
  assert.equal(removed, [])
})

test.run()
