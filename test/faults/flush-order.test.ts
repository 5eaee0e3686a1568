import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPart } from '../helpers/parts.js'
import { sidecarOf } from '../helpers/proof.js'
import { eventually, idOf, locationOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import {
  assertNone,
  assertOrder,
  type Recording,
  recordCalls,
  type Step,
  type SystemCall,
} from '../helpers/system-calls.js'
import { needsProgram } from '../helpers/test.js'

const test = suite('flush order')
const traced = needsProgram(test, 'strace')
test.after(killServers)

const EXECUTABLE = `\x7fELF${'\0'.repeat(600)}`
const DAY = String.raw`/uploads/\d{4}/\d\d/\d\d`
const ANY_FLUSH = /^f(data)?sync\(\d+<[^>]*\/uploads\b/

/** What `act` makes a server ask of the system. Flushes take long: an answer that does not wait for one is before it. */
async function callsDuring(
  server: TestServer,
  act: (recording: Recording) => Promise<unknown>,
): Promise<SystemCall[]> {
  const recording = await recordCalls(server, { names: 'fsync,fdatasync', byMs: 100 })
  await act(recording)
  return await recording.end()
}

async function created(
  server: TestServer,
  length: number | null,
  headers: Record<string, string> = {},
): Promise<string> {
  return new URL(locationOf(await tus.create(server, length, headers))).pathname
}

async function patched(
  server: TestServer,
  path: string,
  offset: number,
  body: string,
  headers: Record<string, string> = {},
): Promise<void> {
  assert.is((await tus.patch(server, path, offset, body, headers)).status, 204)
}

/** Ends an upload whose sidecar is saved in the background: a removal begins when that is over. */
async function removed(server: TestServer, path: string): Promise<void> {
  assert.is((await tus.remove(server, path)).status, 204)
}

function sha1(text: string): string {
  return `sha1 ${createHash('sha1').update(text).digest('base64')}`
}

/** The calls for an upload, by their purpose. */
function stepsOf(path: string) {
  const id = idOf(path)
  const call = (what: string, pattern: string): Step => [what, new RegExp(pattern)]
  return {
    bytes: call('the bytes are written', String.raw`^pwrite64\(\d+<[^>]*/${id}>`),
    flushBytes: call('fdatasync of the file', String.raw`^fdatasync\(\d+<[^>]*/${id}>`),
    text: call('the temporary sidecar is written', String.raw`^pwrite64\(\d+<[^>]*/${id}\.json\.tmp>`),
    textWith: (field: string) =>
      call(
        `the temporary sidecar is written with ${field}`,
        String.raw`^pwrite64\(\d+<[^>]*/${id}\.json\.tmp>.*${field.replaceAll('"', '\\\\"')}`,
      ),
    flushText: call('fsync of the temporary sidecar', String.raw`^fsync\(\d+<[^>]*/${id}\.json\.tmp>`),
    rename: call('the rename', String.raw`^rename.*/${id}\.json\.tmp".*/${id}\.json"`),
    flushFolder: call('fsync of the folder', String.raw`^fsync\(\d+<[^>]*${DAY}>`),
    removeBytes: call('the removal of the bytes', `^unlink.*/${id}"`),
    removeSidecar: call('the removal of the sidecar', String.raw`^unlink.*/${id}\.json"`),
  }
}

function answer(status: number): Step {
  return [`the answer ${status}`, new RegExp(`"HTTP/1\\.1 ${status} `)]
}

/** The order of a save: bytes before the text that tells of them, and the text before the name under which it counts. */
function saved(path: string, isFlushed: boolean): Step[] {
  const { bytes, flushBytes, flushText, text, rename, flushFolder } = stepsOf(path)
  return isFlushed ? [bytes, flushBytes, flushText, rename, flushFolder] : [bytes, text, rename]
}

function assertFlushed(calls: readonly SystemCall[], isFlushed: boolean): void {
  if (!isFlushed) assertNone(calls, 'flushed under --durability off', ANY_FLUSH)
}

for (const durability of ['finish', 'request', 'off']) {
  const isFlushed = durability !== 'off'
  const isFlushedAlways = durability === 'request'
  const under = `under --durability ${durability}`
  const how = isFlushed ? 'is flushed' : 'is not flushed'
  let server: TestServer

  traced(`the folders of a new day are flushed before the answer, ${under} too`, async () => {
    server = await startServer(['--durability', durability])
    const calls = await callsDuring(server, async () => void (await created(server, 5)))
    for (const listed of ['', String.raw`/\d{4}`, String.raw`/\d{4}/\d\d`]) {
      assertOrder(calls, [
        ['mkdir of the day', new RegExp(`^mkdir.*${DAY}".* = 0$`)],
        [`fsync of uploads${listed}`, new RegExp(String.raw`^fsync\(\d+<[^>]*/uploads${listed}>`)],
        answer(201),
      ])
    }
  })

  const createdHow = isFlushedAlways ? 'is flushed before its answer' : 'is not flushed'
  traced(`a creation ${createdHow} ${under}`, async () => {
    let path = ''
    const calls = await callsDuring(server, async () => {
      path = await created(server, 5)
    })
    const { text, flushText, rename, flushFolder } = stepsOf(path)
    const flushed = [flushText, rename, flushFolder, answer(201)]
    assertOrder(calls, isFlushedAlways ? flushed : [text, rename, answer(201)])
    if (!isFlushedAlways) assertNone(calls, `flushed ${under}`, ANY_FLUSH)
  })

  traced(`a finished upload ${how} before its last answer ${under}`, async () => {
    const path = await created(server, 5)
    const calls = await callsDuring(server, () => patched(server, path, 0, 'hello'))
    assertOrder(calls, [...saved(path, isFlushed), answer(204)])
    assertFlushed(calls, isFlushed)
  })

  const pausedHow = isFlushedAlways ? 'is flushed before the answer' : `${how} behind the answer`
  traced(`what a PATCH brought of an unfinished upload ${pausedHow} ${under}`, async () => {
    const path = await created(server, 10)
    const calls = await callsDuring(server, async () => {
      await patched(server, path, 0, 'hello')
      if (!isFlushedAlways) await removed(server, path)
    })
    const { removeBytes } = stepsOf(path)
    assertOrder(calls, [...saved(path, isFlushed), isFlushedAlways ? answer(204) : removeBytes])
    assertFlushed(calls, isFlushed)
  })

  traced(`a whole part ${how} before its last answer ${under}`, async () => {
    const path = await created(server, 5, { 'Upload-Concat': 'partial' })
    const calls = await callsDuring(server, () => patched(server, path, 0, 'hello'))
    assertOrder(calls, [...saved(path, isFlushed), answer(204)])
    assertFlushed(calls, isFlushed)
  })

  traced(`a final upload ${how} before its answer ${under}`, async () => {
    const parts = [await createPart(server, 'hello '), await createPart(server, 'world')]
    let path = ''
    const calls = await callsDuring(server, async () => {
      const joined = await tus.join(server, parts)
      assert.is(joined.status, 201)
      path = locationOf(joined)
    })
    const { bytes } = stepsOf(path)
    assertOrder(calls, [bytes, ...saved(path, isFlushed), answer(201)])
    assertFlushed(calls, isFlushed)
  })

  traced(`a removal ${how} before its answer ${under}, and the bytes go before the sidecar`, async () => {
    const path = await created(server, 5)
    const calls = await callsDuring(server, () => removed(server, path))
    const { removeBytes, removeSidecar, flushFolder } = stepsOf(path)
    assertOrder(calls, [removeBytes, removeSidecar, ...(isFlushed ? [flushFolder] : []), answer(204)])
    assertFlushed(calls, isFlushed)
  })

  traced(`the removal of a refused upload ${how} before its 415 ${under}`, async () => {
    const path = await created(server, EXECUTABLE.length)
    const calls = await callsDuring(server, async () => {
      assert.is((await tus.patch(server, path, 0, EXECUTABLE)).status, 415)
    })
    const { removeBytes, removeSidecar, flushFolder } = stepsOf(path)
    assertOrder(calls, [removeBytes, removeSidecar, ...(isFlushed ? [flushFolder] : []), answer(415)])
    assertFlushed(calls, isFlushed)
  })

  traced(`the sidecar says that bytes under a checksum do not count before they come, ${under}`, async () => {
    const path = await created(server, 10)
    const { bytes, textWith, flushBytes, flushText, rename, flushFolder } = stepsOf(path)
    const calls = await callsDuring(server, async (recording) => {
      await patched(server, path, 0, 'hello', { 'Upload-Checksum': sha1('hello') })
      if (isFlushed) await recording.until(flushBytes)
    })
    const durable = (steps: readonly Step[]): readonly Step[] => (isFlushed ? steps : [])
    assertOrder(calls, [
      textWith('"verifiedTo": 0,'),
      ...durable([flushText]),
      rename,
      ...durable([flushFolder]),
      bytes,
      ...(isFlushedAlways ? [flushBytes] : []),
      textWith('"verifiedTo": 5,'),
      ...durable([flushText]),
      rename,
      ...durable([flushFolder]),
      answer(204),
    ])
    // Before the answer where that waits for every byte, or else in the background.
    if (isFlushed) assertOrder(calls, [bytes, flushBytes])
    assertFlushed(calls, isFlushed)
  })

  traced(`a length that comes with a body is in the sidecar before its bytes, ${under}`, async () => {
    const path = await created(server, null)
    const calls = await callsDuring(server, () => patched(server, path, 0, 'hello', { 'Upload-Length': '9' }))
    const { textWith, flushText, rename, bytes } = stepsOf(path)
    const flushed = isFlushed ? [flushText] : []
    assertOrder(calls, [textWith('"length": 9,'), ...flushed, rename, bytes, answer(204)])
    assertFlushed(calls, isFlushed)
    assert.is(await server.stop(), 0)
  })
}

const PATCHES = 150

traced('a sidecar tells of no byte that was written after its flush had begun', async () => {
  const server = await startServer()
  const path = await created(server, PATCHES + 1)
  const recording = await recordCalls(server, { names: 'fdatasync', byMs: 1_000 })
  for (let at = 0; at < PATCHES; at++) await patched(server, path, at, 'x')
  await eventually(60_000, 'a sidecar that tells of everything', async () => {
    return sidecarOf(server, path).checkpoints.at(-1)?.offset === PATCHES ? true : undefined
  })
  const calls = await recording.end()
  const { bytes, flushBytes, text } = stepsOf(path)
  const of = ([, pattern]: Step): SystemCall[] => calls.filter((call) => pattern.test(call.text))
  const [written, flushes] = [of(bytes), of(flushBytes)]
  const during = flushes.some((flush) =>
    written.some(({ begin }) => begin > flush.begin && begin < flush.end),
  )
  assert.ok(during, 'bytes came while a flush ran')
  for (const { text: told, begin } of of(text)) {
    const offsets = [...told.matchAll(/\\"offset\\": (\d+)/g)].map(([, offset]) => Number(offset))
    const most = Math.max(0, ...offsets)
    const flush = flushes.findLast(({ end }) => end < begin)
    const before = written.filter(({ end }) => flush && end < flush.begin).length
    assert.ok(most <= before, `a sidecar tells of ${most} bytes, ${before} were flushed`)
  }
  assert.is(await server.stop(), 0)
})

test.run()
