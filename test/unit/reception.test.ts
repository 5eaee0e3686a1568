import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANONYMOUS } from '../../server/model/principal.js'
import { UploadRequest } from '../../server/model/request.js'
import { Reception } from '../../server/uploads/reception.js'
import { MemoryEngine } from '../helpers/memory-engine.js'
import { noBlocks, uploadOf } from '../helpers/stored-upload.js'

const ID = `20261125-${'a'.repeat(32)}`

test('an upload whose first bytes cannot be read as its body begins does not stay open', async () => {
  const engine = new MemoryEngine(noBlocks)
  engine.open = async (id) => {
    engine.openBodies.add(id)
    throw new Error('EIO: i/o error, read')
  }
  const tools = { engine, sniffBytes: 512, log: { error: () => {} } }
  const parts: ConstructorParameters<typeof Reception>[0] = Object.assign(Object.create(null), {
    ...{ tools, lifecycle: { recover: async () => {} } },
  })
  const brings = { principal: ANONYMOUS, body: null, checksum: null, trailing: null, creation: null }
  const request = new UploadRequest({ id: ID, method: 'PATCH', headers: {}, ...brings })
  const upload = uploadOf(ID, { length: 4, offset: 2 })
  const failed = await new Reception(parts).receive(upload, request).catch((error: unknown) => error)
  assert.instance(failed, Error)
  assert.is(engine.openBodies.size, 0)
})

test.run()
