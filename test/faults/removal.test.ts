import { existsSync, rmSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { storedFile } from '../helpers/proof.js'
import { eventually, locationOf, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('removal')
test.after(killServers)

test('a removal that a crash cut off behind the bytes does not bring the upload back', async () => {
  const server = await startServer()
  const path = new URL(locationOf(await tus.create(server, 10))).pathname
  assert.is((await tus.patch(server, path, 0, 'hello')).status, 204)
  await server.stop()
  const file = storedFile(server, path)
  rmSync(file)
  const again = await startServer([], server.dataDir)
  assert.is((await tus.head(again, path)).status, 404)
  await eventually(30_000, 'the sweep', async () => (existsSync(`${file}.json`) ? undefined : true))
  assert.is((await tus.head(again, path)).status, 404)
  assert.is(await again.stop(), 0)
})

test.run()
