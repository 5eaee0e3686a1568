import { appendFile, readFile, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand, startCommand } from '../helpers/command.js'
import { rowsOf } from '../helpers/proof.js'
import { CuttingProxy } from '../helpers/proxy.js'
import { eventually, send, startServer, type TestServer, tus } from '../helpers/server.js'
import { downloaded, fileOf, sha256, uploaded, uploadPlace } from '../helpers/upload-place.js'

const test = suite<{ server: TestServer }>('lading upload: resuming')

const MIB = 2 ** 20

test.before(async (context) => {
  context.server = await startServer(['--idle-timeout', '5s'])
})

test.after(async ({ server }) => {
  await server.stop('SIGKILL')
})

/** Waits until the server has so many bytes of an upload that was not there before; gives its id. */
function arrived(server: TestServer, bytes: number, before: ReadonlyMap<string, unknown>): Promise<string> {
  return eventually(60_000, 'the first bytes', async () => {
    for (const id of rowsOf(server).keys()) {
      if (before.has(id)) continue
      const { text } = await send(server.origin, { method: 'GET', path: `/api/uploads/${id}` })
      if (JSON.parse(text).offset >= bytes) return id
    }
    return undefined
  })
}

test('goes on where it stopped after Ctrl-C, which it answers with 130 and how to go on', async ({
  server,
}) => {
  await resumes(server, 'SIGINT', (code, stderr) => {
    assert.is(code, 130)
    assert.match(stderr, /give the same command again to go on/)
  })
})

test('goes on where it stopped after kill -9', async ({ server }) => {
  await resumes(server, 'SIGKILL', (code) => assert.is(code, null))
})

async function resumes(
  server: TestServer,
  signal: NodeJS.Signals,
  check: (code: number | null, stderr: string) => void,
): Promise<void> {
  const { folder, env } = uploadPlace()
  const content = await fileOf(join(folder, 'big'), 64 * MIB)
  const proxy = await CuttingProxy.open(server.port)
  try {
    const endpoint = `http://127.0.0.1:${proxy.port}/files`
    proxy.fail('silence', 20 * MIB)
    const before = rowsOf(server)
    const command = startCommand(['upload', 'big', '--to', endpoint], env, folder)
    const id = await arrived(server, 10 * MIB, before)
    command.process.kill(signal)
    check(await command.ended(), command.stderr())
    const offset = await offsetAtRest(server, id)
    assert.ok(offset >= 10 * MIB, `${offset}`)
    const again = await runCommand(['upload', 'big', '--to', endpoint], env, folder)
    assert.is(again.code, 0, again.stderr)
    const result = uploaded(again.stdout).get('big')
    assert.ok(result?.url.endsWith(id), 'the same upload')
    assert.is(result?.sha256, sha256(content))
    assert.is(sha256(await downloaded(`${server.url}/${id}`)), result?.sha256)
  } finally {
    proxy.close()
  }
}

/** The offset of an upload; a HEAD ends the request that still has it. */
async function offsetAtRest(server: TestServer, id: string): Promise<number> {
  const head = await tus.head(server, `/files/${id}`)
  return Number(head.headers['upload-offset'])
}

test('goes on after cut connections, and sends what the server has not', async ({ server }) => {
  const { folder, env } = uploadPlace()
  const content = await fileOf(join(folder, 'cut'), 24 * MIB)
  const proxy = await CuttingProxy.open(server.port)
  try {
    for (const fault of ['reset', 'drop', 'reset'] as const) proxy.fail(fault, 5 * MIB)
    proxy.failAnswer('drop', /^HTTP\/1\.1 204/)
    const endpoint = `http://127.0.0.1:${proxy.port}/files`
    const { code, stdout, stderr } = await runCommand(['upload', 'cut', '--to', endpoint], env, folder)
    assert.is(code, 0, stderr)
    assert.is(proxy.outstanding, 0)
    assert.is(uploaded(stdout).get('cut')?.sha256, sha256(content))
  } finally {
    proxy.close()
  }
})

test('begins again where the file was changed, and where the upload is gone on the server', async ({
  server,
}) => {
  const { folder, env } = uploadPlace()
  const path = join(folder, 'file')
  for (const change of ['content', 'removed on the server'] as const) {
    await fileOf(path, 64 * MIB)
    const proxy = await CuttingProxy.open(server.port)
    try {
      const endpoint = `http://127.0.0.1:${proxy.port}/files`
      proxy.fail('silence', 20 * MIB)
      const before = rowsOf(server)
      const command = startCommand(['upload', path, '--to', endpoint], env)
      const id = await arrived(server, 10 * MIB, before)
      command.process.kill('SIGKILL')
      await command.ended()
      if (change === 'content') await appendFile(path, 'more')
      else assert.is((await tus.remove(server, `/files/${id}`)).status, 204)
      const again = await runCommand(['upload', path, '--to', endpoint], env)
      assert.is(again.code, 0, again.stderr)
      const result = uploaded(again.stdout).get('file')
      assert.not.ok(result?.url.endsWith(id), 'another upload')
      assert.is(result?.sha256, sha256(await readFile(path)))
    } finally {
      proxy.close()
    }
  }
})

test('a file that is changed while it is uploaded is not taken for uploaded', async ({ server }) => {
  const { folder, env } = uploadPlace()
  const path = join(folder, 'growing')
  await fileOf(path, 48 * MIB)
  const proxy = await CuttingProxy.open(server.port)
  try {
    // The server ends it after its idle time-out; until then the file is changed.
    proxy.fail('silence', 20 * MIB)
    const endpoint = `http://127.0.0.1:${proxy.port}/files`
    const before = rowsOf(server)
    const command = startCommand(['upload', path, '--to', endpoint], env)
    await arrived(server, 10 * MIB, before)
    await utimes(path, new Date(), new Date(Date.now() + 60_000))
    assert.is(await command.ended(), 1)
    assert.match(command.stderr(), /growing is not uploaded: the file was changed while it was uploaded/)
  } finally {
    proxy.close()
    await rm(path)
  }
})

test.run()
