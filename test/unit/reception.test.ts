import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANONYMOUS } from '../../server/model/principal.js'
import { UploadRequest } from '../../server/model/request.js'
import { pathsOf } from '../../server/storage/paths.js'
import { Reception } from '../../server/storage/reception.js'
import { StoredUpload } from '../../server/storage/upload.js'

const ID = `20261125-${'a'.repeat(32)}`

test('a file whose first bytes cannot be read after its opening does not stay open', async () => {
  const at = {
    createdAt: new Date().toISOString(),
    touchedAtMs: Date.now(),
    joinedAt: null,
    terminatedAt: null,
  }
  const told = { metadata: null, filename: null, declaredType: null, concat: null, parts: null }
  const open = { type: null, checkpoints: [], sha256: null, finishedAt: null, verifiedTo: null }
  const facts = { id: ID, length: 4, offset: 2, bootId: 'boot', ...at, ...told, ...open }
  const upload = new StoredUpload(facts, pathsOf('/nowhere', ID))
  const closed: string[] = []
  const thread = {
    open: async () => {
      throw new Error('EIO: i/o error, read')
    },
    closeFile: async (id: string) => void closed.push(id),
  }
  const tools = { thread, sniffBytes: 512, disk: { isFull: async () => false }, log: { error: () => {} } }
  const parts: ConstructorParameters<typeof Reception>[0] = Object.assign(Object.create(null), {
    ...{ tools, lifecycle: { recover: async () => {} } },
  })
  const brings = { principal: ANONYMOUS, body: null, checksum: null, trailing: null, creation: null }
  const request = new UploadRequest({ id: ID, method: 'PATCH', headers: {}, ...brings })
  const failed = await new Reception(parts).receive(upload, request).catch((error: unknown) => error)
  assert.instance(failed, Error)
  assert.equal(closed, [ID])
  assert.not(upload.isOpen)
})

test.run()
