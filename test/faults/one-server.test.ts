// waits

import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createApp, FolderLockError } from '../../server/app.js'
import { statusOf, type TestServer, temporaryFolder } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('one server')
test.after(killServers)

const AT_ONCE = 10

/** How a start ended: with a server, or with what it wrote to standard error. */
async function started(dataDir: string): Promise<TestServer | string> {
  return startServer([], dataDir).catch((error: unknown) => String(error))
}

function newFolder(): string {
  return join(temporaryFolder(), 'data')
}

test('a second server on a data folder refuses to start and names the process of the first', async () => {
  const first = await startServer()
  const second = await started(first.dataDir)
  assert.type(second, 'string')
  const line = new RegExp(
    `ended with 1: lading: the data folder \\S+ is in use by process ${first.pid} on \\S+, started \\S+ One server .+\\n$`,
  )
  assert.match(String(second), line)
  assert.is((await statusOf(first)).slots.taken, 0, 'the first goes on')
  assert.is(statSync(join(first.dataDir, 'lading.lock')).mode & 0o777, 0o640)
  assert.is(await first.stop(), 0)
  assert.not(existsSync(join(first.dataDir, 'lading.pid')))
})

test('a server that was killed leaves no lock behind, and its successor is named', async () => {
  const first = await startServer()
  await first.stop('SIGKILL')
  const second = await startServer([], first.dataDir)
  assert.match(String(await started(first.dataDir)), new RegExp(`in use by process ${second.pid} `))
  assert.is(await second.stop(), 0)
  const third = await startServer([], first.dataDir)
  assert.is(await third.stop(), 0)
})

test('of ten servers that start at once on a data folder exactly one serves', async () => {
  const dataDir = newFolder()
  const ends = await Promise.all(Array.from({ length: AT_ONCE }, () => started(dataDir)))
  const [serving, more] = ends.filter((end): end is TestServer => typeof end !== 'string')
  assert.ok(serving, 'one serves')
  assert.is(more, undefined)
  const refusals = ends.filter((end): end is string => typeof end === 'string')
  for (const refusal of refusals) assert.match(refusal, new RegExp(`in use by process ${serving.pid} `))
  assert.is(await serving.stop(), 0)
})

test('a second app in the same process is refused too, and close gives the folder back', async () => {
  const dataDir = newFolder()
  const settings = { dataDir, port: 0, minFreeBytes: 0, logLevel: 'silent' } as const
  const first = await createApp(settings)
  for (const _ of [1, 2]) {
    const refusal = await createApp(settings).then(
      () => undefined,
      (error: unknown) => error,
    )
    assert.instance(refusal, FolderLockError)
    assert.match(String(refusal), `in use by process ${process.pid} `)
  }
  // The refused ones closed their connections to the file, which must not end the first's lock.
  assert.match(String(await started(dataDir)), `in use by process ${process.pid} `)
  await first.close()
  const second = await startServer([], dataDir)
  assert.is(await second.stop(), 0)
})

test('a folder that cannot be locked stops the start with one line', async () => {
  const dataDir = newFolder()
  mkdirSync(join(dataDir, 'lading.lock'), { recursive: true })
  assert.match(
    String(await started(dataDir)),
    /ended with 1: lading: the data folder \S+ cannot be locked: SQLITE_\w+ .+\n$/,
  )
})

test('a holder whose name cannot be read is refused all the same', async () => {
  const first = await startServer()
  writeFileSync(join(first.dataDir, 'lading.pid'), '\u0000\u001b[31m\n')
  assert.match(String(await started(first.dataDir)), /in use by \[31m\./)
  writeFileSync(join(first.dataDir, 'lading.pid'), '')
  assert.match(String(await started(first.dataDir)), /in use by another process\./)
  assert.is(await first.stop(), 0)
})

test.run()
