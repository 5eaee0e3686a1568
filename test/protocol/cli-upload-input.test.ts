import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand, startCommand } from '../helpers/command.js'
import { CuttingProxy } from '../helpers/proxy.js'
import { eventually, send, temporaryFolder } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'

const test = suite('lading upload of standard input')
const server = serverFor(test)

const WITHIN_MS = 60_000
const MIB = 2 ** 20

/** Starts `lading upload -` with these flags. */
function start(flags: readonly string[], to = server.url) {
  const env = { XDG_STATE_HOME: temporaryFolder() }
  return startCommand(['upload', '-', ...flags, '--to', to], env, undefined, 'pipe')
}

interface Listed {
  readonly uploads: readonly {
    filename: string | null
    offset: number
    length: number | null
    sha256: string
  }[]
}

async function listed(): Promise<Listed['uploads']> {
  const answer = await send(server.origin, { method: 'GET', path: '/api/uploads' })
  return (JSON.parse(answer.text) as Listed).uploads
}

test('is sent in chunks with a deferred length, also over a broken connection, and is proven by its digest', async () => {
  const proxy = await CuttingProxy.open(server.port)
  proxy.fail('reset', 5 * MIB)
  const content = randomBytes(20 * MIB + 1)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const command = start(['--name', 'dump.bin'], `http://127.0.0.1:${proxy.port}/files`)
  command.process.stdin?.end(content)
  assert.is(await command.ended(), 0, command.stderr())
  assert.match(command.stdout(), new RegExp(`^- → http://\\S+ sha256:${sha256}\\n$`))
  assert.match(command.stderr(), '1 file uploaded, 20.0 MiB')
  assert.is(proxy.failed, 1)
  proxy.close()
  const row = await eventually(WITHIN_MS, 'the row', async () => {
    return (await listed()).find((each) => each.sha256 === sha256)
  })
  assert.equal([row.filename, row.length], ['dump.bin', content.length])
})

test('an empty input is an empty file without a name', async () => {
  const command = start([])
  command.process.stdin?.end()
  assert.is(await command.ended(), 0, command.stderr())
  const empty = createHash('sha256').digest('hex')
  assert.match(command.stdout(), `sha256:${empty}`)
  const row = await eventually(WITHIN_MS, 'the row', async () => {
    return (await listed()).find((each) => each.sha256 === empty)
  })
  assert.equal([row.filename, row.length], [null, 0])
})

test('an input that brings bytes slowly is sent on before its end, and Ctrl-C ends the wait for more', async () => {
  const command = start(['--name', 'slow.log'])
  command.process.stdin?.write('a line\n')
  const offset = await eventually(WITHIN_MS, 'the first bytes', async () => {
    return (await listed()).find(({ filename, offset }) => filename === 'slow.log' && offset > 0)?.offset
  })
  assert.is(offset, 7)
  command.process.kill('SIGINT')
  assert.is(await command.ended(), 130, command.stderr())
  assert.match(command.stderr(), /^lading: interrupted after 0 of 1 files, \d B\n$/)
})

test('nobody is told to give the same command again, which standard input does not allow', async () => {
  const command = start([], `${server.origin}/elsewhere`)
  command.process.stdin?.end('a line\n')
  assert.is(await command.ended(), 1, command.stderr())
  assert.match(command.stderr(), /lading: 1 not uploaded, 0 uploaded\n$/)
})

test('a wrong use is answered with one line and exit 2', async () => {
  for (const args of [
    ['-', '-'],
    ['file', '--name', 'other'],
    ['-', '--name', ''],
  ]) {
    const { code, stderr } = await runCommand(['upload', ...args, '--to', 'http://127.0.0.1:1/files'])
    assert.is(code, 2, stderr)
    assert.match(stderr, /^lading: [^\n]+\n$/)
  }
})

test.run()
