import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CheckRun, type CheckTools } from '../../server/commands/check/check-run.js'
import { Pace } from '../../server/commands/check/pace.js'
import { everyName } from '../../server/files/every-name.js'
import { fakeConsole } from '../helpers/fake-console.js'
import { record } from '../helpers/record.js'
import { temporaryFolder } from '../helpers/server.js'
import { factsOf } from '../helpers/stored-upload.js'
import { idOf, sha256 } from '../helpers/upload-fakes.js'

const BYTES = 'bytes'
const [FIRST, SECOND] = [idOf('1'), idOf('2')]

/** Finished uploads, and no database. */
function toolsFor(signal: AbortSignal, bytesOf: (id: string) => string): CheckTools {
  return {
    pace: new Pace(Number.POSITIVE_INFINITY, signal),
    async *names() {
      for (const id of [FIRST, SECOND]) yield { path: id, entry: { id, kind: 'bytes' } }
    },
    asLeft: async (id) => ({
      storedBytes: BYTES.length,
      facts: factsOf(id, { length: BYTES.length, sha256: sha256(BYTES) }),
    }),
    bytesOf: async () => BYTES.length,
    row: async () => undefined,
    rows: async () => [],
    async *read(id) {
      yield Buffer.from(bytesOf(id))
    },
  }
}

test('a signal while suspects are looked at again ends the check, and none of them is a finding', async () => {
  const { console, stop, stdout } = fakeConsole()
  let reads = 0
  const tools = toolsFor(console.signal, () => {
    reads += 1
    // Both were read once: this is the second look at the first.
    if (reads === 3) stop()
    return 'wrong'
  })
  const ended = await new CheckRun(tools, console, false).run().catch(() => 'ended')
  assert.is(ended, 'ended')
  assert.is(stdout(), '')
})

test('the bytes of an upload that was right only at the second look are counted, once', async () => {
  const { console } = fakeConsole()
  let reads = 0
  const tools = toolsFor(console.signal, () => {
    reads += 1
    return reads === 1 ? 'wrong' : BYTES
  })
  const { damaged, bytes } = await new CheckRun(tools, console, false).run()
  assert.equal([damaged, bytes], [0, 2 * BYTES.length])
})

test('an upload whose files cannot be read is damaged, and the check goes on', async () => {
  const { console, stdout } = fakeConsole()
  const tools = toolsFor(console.signal, () => BYTES)
  const asLeft: CheckTools['asLeft'] = async (id) => {
    if (id === FIRST) throw new Error('EIO: i/o error, read')
    return tools.asLeft(id)
  }
  const { damaged, bytes } = await new CheckRun({ ...tools, asLeft }, console, false).run()
  assert.equal([damaged, bytes], [1, BYTES.length])
  assert.is(stdout(), `damaged ${FIRST}: it cannot be read: EIO: i/o error, read\n`)
})

test('an upload that its record calls finished and its sidecar does not is named; a record that lags is not', async () => {
  const { console, stdout } = fakeConsole()
  const tools = toolsFor(console.signal, () => BYTES)
  const asLeft: CheckTools['asLeft'] = async (id) => ({
    storedBytes: BYTES.length,
    facts: factsOf(id, { length: BYTES.length, sha256: id === SECOND ? sha256(BYTES) : null }),
  })
  const row: CheckTools['row'] = async (id) => {
    const state = id === FIRST ? 'finished' : 'paused'
    return record(1, { id, state, length: BYTES.length, sha256: sha256(BYTES) })
  }
  const { damaged } = await new CheckRun({ ...tools, asLeft, row }, console, false).run()
  assert.is(damaged, 1)
  assert.is(stdout(), `damaged ${FIRST}: its record says finished, its sidecar does not\n`)
})

test('a folder that cannot be read is named, and the check goes on', async () => {
  const { console, stdout } = fakeConsole()
  const { names, ...tools } = toolsFor(console.signal, () => BYTES)
  const dataDir = temporaryFolder()
  // A link to itself cannot be opened, not even by root.
  symlinkSync('uploads', join(dataDir, 'uploads'))
  const all: CheckTools['names'] = async function* () {
    yield* everyName(dataDir)
    yield* names()
  }
  const { damaged, bytes } = await new CheckRun({ ...tools, names: all }, console, false).run()
  assert.equal([damaged, bytes], [1, 2 * BYTES.length])
  assert.match(stdout(), /^damaged uploads: it cannot be read: ELOOP/)
})

test.run()
