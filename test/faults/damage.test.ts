import { appendFileSync, copyFileSync, existsSync, renameSync, rmSync, truncateSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openUploads } from '../helpers/descriptors.js'
import { assertStored, reprDigestOf, sidecarOf, storedBytes, storedFile } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, idOf, locationOf, send, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('damage')
const MIB = 2 ** 20
const FILE_BYTES = 4 * MIB
const PARTIAL = { 'Upload-Concat': 'partial' }
const FELL_BACK = 'the file of an upload is not as it was left'

const seed = printedSeed('damage')
let server: TestServer
let files = 0

test.before(async () => {
  server = await startServer()
})
test.after(killServers)

function nextFile(): PseudoFile {
  files += 1
  return new PseudoFile(seed + files, FILE_BYTES)
}

/** How many lines of the log tell of a file that was not as it was left. */
async function linesOf(path: string): Promise<number> {
  return await eventually(30_000, 'the line in the log', async () => {
    const lines = server.log().split('\n')
    return lines.filter((line) => line.includes(FELL_BACK) && line.includes(idOf(path))).length || undefined
  })
}

async function stateOf(path: string): Promise<string> {
  const { status, text } = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(path)}` })
  assert.is(status, 200)
  return JSON.parse(text).state
}

/** What someone does to a file behind the server's back. */
const DAMAGES: readonly (readonly [string, (file: string) => void])[] = [
  ['is shorter', (file) => truncateSync(file, MIB + 5)],
  ['is empty', (file) => truncateSync(file, 0)],
  ['is longer', (file) => appendFileSync(file, 'foreign bytes')],
]

/** What keeps the size: only the file's identity tells. */
const REPLACED: readonly (readonly [string, (file: string) => void])[] = [
  [
    'is another one of the same bytes',
    (file) => {
      copyFileSync(file, `${file}.copy`)
      renameSync(`${file}.copy`, file)
    },
  ],
  [
    'is another one of other bytes',
    (file) => {
      copyFileSync(file, `${file}.copy`)
      truncateSync(`${file}.copy`, 100)
      truncateSync(`${file}.copy`, storedBytes(server, `/files/${idOf(file)}`))
      renameSync(`${file}.copy`, file)
    },
  ],
]

const FORMS = [
  ['', () => []],
  [' under a checksum', (file: PseudoFile, from: number, to: number) => [file.checksum('sha1', from, to)]],
] as const

for (const [form, headersOf] of FORMS) {
  for (const [what, damage] of DAMAGES) {
    test(`a PATCH${form} to an upload whose file ${what} gets 409, and HEAD tells what is proven`, async () => {
      const file = nextFile()
      const path = await createUpload(server, file)
      const first = await Patch.begin(server, path, file, 0, 2 * MIB, headersOf(file, 0, 2 * MIB))
      assert.is((await first.finish())?.status, 204)
      damage(storedFile(server, path))
      const headers = headersOf(file, 2 * MIB, 3 * MIB)
      const answer = await (await Patch.begin(server, path, file, 2 * MIB, 3 * MIB, headers)).finish()
      assert.is(answer?.status, 409)
      assert.is(await linesOf(path), 1)
      assert.is(await offsetOf(server, path), storedBytes(server, path))
      const { statuses, digest } = await resume(server, path, file)
      assert.equal(statuses, [204])
      assert.is(digest, reprDigestOf(file))
      await assertStored(server, path, file)
    })
  }

  for (const [what, damage] of [...DAMAGES, ...REPLACED]) {
    test(`a file that ${what} while a body${form} runs ends it with 409, and nothing wrong is kept`, async () => {
      const file = nextFile()
      const path = await createUpload(server, file)
      await (await Patch.begin(server, path, file, 0, MIB)).finish()
      const patch = await Patch.begin(server, path, file, MIB, file.size, headersOf(file, MIB, file.size))
      await patch.send(3 * MIB)
      await eventually(30_000, 'what was sent', async () => {
        return storedBytes(server, path) === 3 * MIB ? true : undefined
      })
      damage(storedFile(server, path))
      assert.is((await patch.finish())?.status, 409)
      assert.is(await linesOf(path), 1)
      // What a replaced file has is only read again with the next body: that one may fail too.
      const { digest } = await resume(server, path, file)
      assert.is(digest, reprDigestOf(file))
      await assertStored(server, path, file)
    })
  }
}

test('the first bytes of a body are not taken for those of a file that was emptied: the upload stays, with 409', async () => {
  const file = nextFile()
  const path = await createUpload(server, file)
  await (await Patch.begin(server, path, file, 0, 300)).finish()
  truncateSync(storedFile(server, path), 0)
  const program = Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(1000)])
  assert.is((await tus.patch(server, path, 300, program)).status, 409)
  assert.is(await offsetOf(server, path), 0)
  assert.is((await resume(server, path, file)).digest, reprDigestOf(file))
})

test('a length that came with a body is forgotten where the file is shorter than the offset', async () => {
  const path = new URL(locationOf(await tus.create(server, null))).pathname
  assert.is((await tus.patch(server, path, 0, '12345')).status, 204)
  truncateSync(storedFile(server, path), 3)
  const length = { 'Upload-Length': '9' }
  assert.is((await tus.patch(server, path, 5, '6789', length)).status, 409)
  const { headers } = await tus.head(server, path)
  assert.is(headers['upload-defer-length'], '1')
  assert.is(headers['upload-offset'], '0')
})

test('HEAD of an upload whose file is shorter tells what is proven', async () => {
  const file = nextFile()
  const path = await createUpload(server, file)
  await (await Patch.begin(server, path, file, 0, MIB)).finish()
  await (await Patch.begin(server, path, file, MIB, 2 * MIB)).finish()
  truncateSync(storedFile(server, path), 2 * MIB - 1)
  assert.is(await offsetOf(server, path), MIB, 'the checkpoint at the end of the first request')
  assert.equal((await resume(server, path, file)).statuses, [204])
  await assertStored(server, path, file)
})

/** Tried again where the server puts a sidecar into the folder meanwhile. */
const ALL = { recursive: true, maxRetries: 10 }
const GONE: readonly (readonly [string, (file: string) => void])[] = [
  ['file', (file) => rmSync(file)],
  ['folder of the day', (file) => rmSync(dirname(file), ALL)],
  ['folder of all uploads', () => rmSync(join(server.dataDir, 'uploads'), ALL)],
]

for (const [what, remove] of GONE) {
  test(`an upload whose ${what} is gone is 404 to HEAD, and its record says so`, async () => {
    const file = nextFile()
    const path = await createUpload(server, file)
    await (await Patch.begin(server, path, file, 0, MIB)).finish()
    remove(storedFile(server, path))
    assert.is((await tus.head(server, path)).status, 404)
    assert.is((await tus.patch(server, path, MIB, 'more')).status, 404)
    assert.is(await stateOf(path), 'terminated')
  })

  test(`an upload whose ${what} is gone is 404 to PATCH, and its record says so`, async () => {
    const file = nextFile()
    const path = await createUpload(server, file)
    await (await Patch.begin(server, path, file, 0, MIB)).finish()
    remove(storedFile(server, path))
    assert.is((await tus.patch(server, path, MIB, 'more')).status, 404)
    assert.is((await tus.head(server, path)).status, 404)
    assert.is(await stateOf(path), 'terminated')
    assert.is((await tus.create(server, 5)).status, 201, 'the next upload is as any')
  })

  test(`a ${what} that is removed while a body runs ends the upload with 404`, async () => {
    const file = nextFile()
    const path = await createUpload(server, file)
    const patch = await Patch.begin(server, path, file, 0)
    await patch.send(2 * MIB)
    await eventually(30_000, 'what was sent', async () => {
      return storedBytes(server, path) === 2 * MIB ? true : undefined
    })
    remove(storedFile(server, path))
    assert.is((await patch.finish())?.status, 404)
    assert.is((await tus.head(server, path)).status, 404)
    assert.is(await stateOf(path), 'terminated')
  })
}

test('a finished upload whose file is gone is 404 to HEAD as it is to GET', async () => {
  const file = nextFile()
  const path = await createUpload(server, file)
  await resume(server, path, file)
  assert.is(await offsetOf(server, path), file.size)
  rmSync(storedFile(server, path))
  assert.is((await tus.head(server, path)).status, 404)
  assert.is((await send(server.origin, { method: 'GET', path })).status, 404)
})

test('a sidecar that is gone is written again when the client asks for the offset', async () => {
  const file = nextFile()
  const path = await createUpload(server, file)
  await (await Patch.begin(server, path, file, 0, MIB)).finish()
  const sidecar = `${storedFile(server, path)}.json`
  // The save behind the answer may still be under way.
  await eventually(30_000, 'the checkpoint', async () => sidecarOf(server, path).checkpoints[0])
  rmSync(sidecar)
  assert.is(await offsetOf(server, path), MIB)
  assert.ok(existsSync(sidecar))
  await resume(server, path, file)
  await assertStored(server, path, file)
})

for (const [what, damage] of DAMAGES) {
  test(`a part whose file ${what} is not joined before its client has completed it`, async () => {
    const [one, two] = [nextFile(), nextFile()]
    const paths: string[] = []
    for (const file of [one, two]) {
      const path = new URL(locationOf(await tus.create(server, file.size, PARTIAL))).pathname
      await (await Patch.begin(server, path, file, 0, 2 * MIB)).finish()
      await (await Patch.begin(server, path, file, 2 * MIB)).finish()
      paths.push(path)
    }
    const [, second = ''] = paths
    damage(storedFile(server, second))
    const joined = await tus.join(server, paths)
    assert.is(joined.status, 201)
    const final = new URL(locationOf(joined)).pathname
    const whole = await eventually(30_000, 'the final upload', async () => {
      const at = Number((await tus.head(server, second)).headers['upload-offset'] ?? two.size)
      if (at < two.size) await (await Patch.begin(server, second, two, at)).finish()
      const head = await tus.head(server, final)
      return head.headers['repr-digest'] === undefined ? undefined : head
    })
    assert.is(whole.headers['upload-length'], String(one.size + two.size))
    const { bytes } = await send(server.origin, { method: 'GET', path: final })
    const sent = [one, two].flatMap((file) =>
      Array.from({ length: file.size / 2 ** 18 }, (_, i) => file.read(i * 2 ** 18, (i + 1) * 2 ** 18)),
    )
    assert.ok(bytes.equals(Buffer.concat(sent)), 'the bytes that were sent')
  })
}

test('the file of no upload is open when nothing runs', async () => {
  assert.equal(openUploads(server), [])
  assert.is(await server.stop(), 0)
})

test.run()
