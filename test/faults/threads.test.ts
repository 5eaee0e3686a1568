import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startOnFaultyDisk } from '../helpers/faulty-disk.js'
import { assertStored, storedBytes } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, idOf, statusOf, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('threads')
test.after(killServers)

const MIB = 2 ** 20
const seed = printedSeed('threads')

const times = (text: string, part: string): number => text.split(part).length - 1

/** Begins a PATCH of a whole file, and waits until its first MiB is stored. */
async function begin(server: TestServer, path: string, file: PseudoFile): Promise<Patch> {
  const patch = await Patch.begin(server, path, file, 0)
  await patch.send(MIB)
  await eventually(30_000, 'the first MiB', async () =>
    storedBytes(server, path) === MIB ? true : undefined,
  )
  return patch
}

for (const threads of ['1', '2']) {
  test(`"A thread that dies rejects what was under way, as a disk error does", and all uploads go on; --digest-threads ${threads}`, async () => {
    const { server, disk } = await startOnFaultyDisk(['--digest-threads', threads, '--durability', 'off'])
    const [hit, quiet] = [new PseudoFile(seed, 8 * MIB), new PseudoFile(seed + 1, 8 * MIB)]
    const [hitPath, quietPath] = [await createUpload(server, hit), await createUpload(server, quiet)]
    const [hitPatch, quietPatch] = [await begin(server, hitPath, hit), await begin(server, quietPath, quiet)]
    disk.endThread('writeSync', idOf(hitPath))
    const answer = await hitPatch.finish()
    disk.heal()
    assert.is(answer?.status, 500)
    assert.is(storedBytes(server, hitPath), MIB, 'nothing of what was under way is left')
    assert.is(await offsetOf(server, hitPath), MIB)
    assert.is((await quietPatch.finish())?.status, 204, 'an upload that had nothing under way')
    await assertStored(server, quietPath, quiet)
    assert.equal((await resume(server, hitPath, hit)).statuses, [204])
    await assertStored(server, hitPath, hit)
    assert.is(times(server.log(), '"msg":"a thread ended'), 1)
    assert.match(server.log(), 'worker exited with code: 7')
    assert.not.match(server.log(), 'is not as it was left')
    const { arena, slots } = await statusOf(server)
    assert.equal([arena.free, slots.taken], [arena.blocks, 0])
    assert.is(await server.stop(), 0)
  })
}

test('uploads that run at once on several threads are stored whole, each with its digest', async () => {
  const server = await startServer(['--digest-threads', '3'])
  const files = Array.from({ length: 8 }, (_, i) => new PseudoFile(seed + i, 3 * MIB + i))
  await Promise.all(
    files.map(async (file) => {
      const path = await createUpload(server, file)
      await resume(server, path, file, 500 * 1024)
      await assertStored(server, path, file)
    }),
  )
  assert.is(await server.stop(), 0)
})

test('"SIGTERM … exit 0 within 10 s", also where a thread has ended and nothing was asked since', async () => {
  const { server, disk } = await startOnFaultyDisk()
  const file = new PseudoFile(seed, 2 * MIB)
  const path = await createUpload(server, file)
  const patch = await begin(server, path, file)
  disk.endThread('writeSync', idOf(path))
  assert.is((await patch.finish())?.status, 500)
  assert.is(await server.stop(), 0)
})

test.run()
