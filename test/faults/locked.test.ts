import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { storedBytes, storedFile } from '../helpers/proof.js'
import { eventually, locationOf, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { needsProgram } from '../helpers/test.js'

const test = suite('locked')
const stuck = needsProgram(test, 'mkfifo')
test.after(killServers)

/** Makes the writing of a sidecar hang until the returned function is called; what hangs fails then. */
function hangUp(temporarySidecar: string): () => void {
  const { status, stderr } = spawnSync('mkfifo', [temporarySidecar], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mkfifo: ${stderr}`)
  return () => closeSync(openSync(temporarySidecar, constants.O_RDONLY | constants.O_NONBLOCK))
}

stuck(
  'HEAD, PATCH and DELETE get 423 with Retry-After while the lock is held, and then the upload goes on',
  async () => {
    const server = await startServer()
    const path = new URL(locationOf(await tus.create(server, 5))).pathname
    const release = hangUp(`${storedFile(server, path)}.json.tmp`)
    const holder = tus.patch(server, path, 0, 'hello')
    // Where the test fails before its end, this fails with the server.
    holder.catch(() => {})
    await eventually(30_000, 'the bytes', async () => (storedBytes(server, path) === 5 ? true : undefined))

    const answers = await Promise.all([
      tus.head(server, path),
      tus.patch(server, path, 5, ''),
      tus.remove(server, path),
    ])
    for (const { status, headers } of answers) {
      assert.is(status, 423)
      assert.is(headers['retry-after'], '5')
    }
    assert.match(answers[1].text, /^upload_locked: /)

    release()
    assert.is((await holder).status, 500)
    const head = await tus.head(server, path)
    assert.is(head.status, 200)
    assert.is(head.headers['upload-offset'], '5')
    assert.ok(head.headers['repr-digest'])
    assert.is(await server.stop(), 0)
  },
)

test.run()
