import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { storedFile } from '../helpers/proof.js'
import { eventually, idOf, locationOf, type TestServer, temporaryFolder, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded, needsProgram } from '../helpers/test.js'

const test = suite('removal')
const traced = needsProgram(test, 'strace')
test.after(killServers)

const CALLS = 'trace=unlink,unlinkat,fsync,fdatasync,write,writev,sendto,sendmsg'
const EXECUTABLE = `\x7fELF${'\0'.repeat(600)}`

/** What a process asks of the system from now on, as strace writes it; ends with the returned function. */
async function trace({ pid }: TestServer): Promise<() => Promise<string[]>> {
  const output = join(temporaryFolder(), 'strace')
  const args = ['-f', '-y', '-s', '32', '-e', CALLS, '-o', output, '-p', String(pid)]
  const strace: ChildProcess = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  process.on('exit', () => strace.kill('SIGKILL'))
  const { stderr } = strace
  if (!stderr) throw new Error('no standard error')
  await bounded(30_000, once(stderr, 'data'), 'strace')
  return async () => {
    strace.kill('SIGINT')
    await bounded(30_000, once(strace, 'exit'), 'the end of strace')
    return readFileSync(output, 'utf8').split('\n')
  }
}

/** Where the first line is that matches, from `from` on. */
function placeOf(lines: readonly string[], pattern: RegExp, from = 0): number {
  return lines.findIndex((line, i) => i >= from && pattern.test(line))
}

interface Removal {
  /** The lines of these calls in strace's output; -1 where there is none. */
  readonly bytes: number
  readonly sidecar: number
  readonly flush: number
  readonly answer: number
}

async function removalOf(
  server: TestServer,
  id: string,
  status: number,
  act: () => Promise<number>,
): Promise<Removal> {
  const end = await trace(server)
  assert.is(await act(), status)
  const lines = await end()
  const sidecar = placeOf(lines, new RegExp(`unlink.*${id}\\.json"`))
  return {
    bytes: placeOf(lines, new RegExp(`unlink.*${id}"`)),
    sidecar,
    flush: placeOf(lines, /fsync\(.*\/uploads\/\d{4}\/\d\d\/\d\d>/, sidecar),
    answer: placeOf(lines, new RegExp(`"HTTP/1.1 ${status} `)),
  }
}

async function created(server: TestServer, length: number): Promise<string> {
  return new URL(locationOf(await tus.create(server, length))).pathname
}

for (const durability of ['finish', 'request', 'off']) {
  const promise = durability === 'off' ? 'is not flushed' : 'is flushed before the answer'
  traced(
    `under --durability ${durability} a removal ${promise}, and the bytes go before the sidecar`,
    async () => {
      const server = await startServer(['--durability', durability])
      const path = await created(server, 5)
      const { bytes, sidecar, flush, answer } = await removalOf(server, idOf(path), 204, async () => {
        return (await tus.remove(server, path)).status
      })
      assert.ok(bytes >= 0 && sidecar > bytes, `${bytes}, ${sidecar}`)
      assert.ok(answer > sidecar, `${answer}`)
      if (durability === 'off') assert.is(flush, -1)
      else assert.ok(flush > sidecar && flush < answer, `${sidecar}, ${flush}, ${answer}`)
      assert.is(await server.stop(), 0)
    },
  )
}

traced('the removal of a refused upload is flushed before its 415', async () => {
  const server = await startServer()
  const path = await created(server, EXECUTABLE.length)
  const { bytes, sidecar, flush, answer } = await removalOf(server, idOf(path), 415, async () => {
    return (await tus.patch(server, path, 0, EXECUTABLE)).status
  })
  assert.ok(
    bytes >= 0 && sidecar > bytes && flush > sidecar && answer > flush,
    `${bytes}, ${sidecar}, ${flush}, ${answer}`,
  )
  assert.is(await server.stop(), 0)
})

test('a removal that a crash cut off behind the bytes does not bring the upload back', async () => {
  const server = await startServer()
  const path = await created(server, 10)
  assert.is((await tus.patch(server, path, 0, 'hello')).status, 204)
  await server.stop()
  const file = storedFile(server, path)
  rmSync(file)
  const again = await startServer([], server.dataDir)
  assert.is((await tus.head(again, path)).status, 404)
  await eventually(30_000, 'the sweep', async () => (existsSync(`${file}.json`) ? undefined : true))
  assert.is((await tus.head(again, path)).status, 404)
  assert.is(await again.stop(), 0)
})

test.run()
