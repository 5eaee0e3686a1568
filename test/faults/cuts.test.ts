import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored, reprDigestOf, storedBytes } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, randomFrom } from '../helpers/sender.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('cuts')
test.after(killServers)

const FILE_BYTES = 160 * 2 ** 20
const CUTS = 100

test('an upload that is cut at 100 random bytes goes on each time from what its file has, and is proven', async () => {
  const seed = printedSeed('cuts')
  const random = randomFrom(seed)
  const server = await startServer()
  const file = new PseudoFile(seed, FILE_BYTES)
  const path = await createUpload(server, file)
  const places = Array.from({ length: CUTS }, () => Math.floor(random() * FILE_BYTES)).sort((a, b) => a - b)

  let at = 0
  let kept = 0
  for (const place of places) {
    const patch = await Patch.begin(server, path, file, at)
    await patch.send(place)
    // By a reset, whose bytes in the system's buffers are lost, or by an end in the middle of the body.
    if (random() < 0.5) patch.connection.cut()
    else patch.connection.socket.destroy()
    const offset = await offsetOf(server, path)
    assert.is(storedBytes(server, path), offset, `HEAD and file after the cut at ${place}`)
    assert.ok(offset >= at && offset <= Math.max(at, place), `${offset} is between ${at} and ${place}`)
    if (offset > at) kept += 1
    at = offset
  }
  // Else the cuts would never have met an upload that was under way.
  assert.ok(kept > CUTS / 2, `${kept} of ${CUTS} cut requests brought bytes`)
  console.log(`cuts: ${kept} of ${CUTS} cut requests brought bytes, the last one ended at ${at}`)

  const answer = await (await Patch.begin(server, path, file, at)).finish()
  assert.is(answer?.status, 204)
  assert.is(answer?.headers.get('upload-offset'), String(FILE_BYTES))
  assert.is(answer?.headers.get('repr-digest'), reprDigestOf(file))
  await assertStored(server, path, file)
  assert.is(await server.stop(), 0)
})

test.run()
