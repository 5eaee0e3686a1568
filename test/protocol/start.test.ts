import { spawnSync } from 'node:child_process'
import { chmodSync, symlinkSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startServer, temporaryFolder } from '../helpers/server.js'
import { shippedNodeFlags } from '../helpers/shipped.js'

const test = suite('start')

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url))
const PROBE = fileURLToPath(new URL('../../../test/fixtures/heap-probe.cjs', import.meta.url))
/** V8 counts both halves of the young generation, of which `--max-semi-space-size=2` bounds one. */
const YOUNG_BYTES = 2 * 2 * 2 ** 20

interface Probe {
  readonly flags: readonly string[]
  readonly youngBytes: number
}

/** What the probe wrote in a process that this command starts. */
function probe(program: string, args: readonly string[]): Probe {
  // The first node on the PATH is the one that runs this test.
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter)
  const env = { ...process.env, PATH: path, NODE_OPTIONS: `--require ${PROBE}` }
  const { stdout, stderr } = spawnSync(program, [...args, '--version'], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/, stderr)
  return JSON.parse(stderr)
}

test('npm start and the program lading of the package run Node with the same flags, which have effect', () => {
  // npm links a package's program like this.
  chmodSync(MAIN, 0o755)
  const linked = join(temporaryFolder(), 'lading')
  symlinkSync(MAIN, linked)
  // Without prestart, which would build again under the tests that run now.
  const started = probe('npm', ['start', '--silent', '--ignore-scripts', '--'])
  for (const { flags, youngBytes } of [started, probe(linked, [])]) {
    assert.equal(flags, shippedNodeFlags())
    assert.ok(youngBytes <= YOUNG_BYTES, `${youngBytes} bytes`)
  }
  // Without the flag it grows beyond that: the figure shows that the flag has effect.
  assert.ok(probe(process.execPath, [MAIN]).youngBytes > YOUNG_BYTES)
})

test('a port in use stops the start with one line that names it', async () => {
  const first = await startServer()
  const second = startServer(['--port', String(first.port)])
  const message = await second.then(() => 'a server', String)
  const stopped = await first.stop()
  // The log, in which the database may have had its say, is JSON here.
  const said = message.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
  const line = `lading: listen EADDRINUSE: address already in use 127.0.0.1:${first.port}`
  assert.equal(said, [`Error: the server ended with 1: ${line}`])
  assert.is(stopped, 0)
})

test.run()
