import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('log, flood')
test.after(killServers)

const REFUSED = 500

interface Line {
  readonly level: number
  readonly msg: string
  readonly method?: string
  readonly code?: string
  readonly count?: number
  readonly err?: object
}

function linesOf(server: TestServer): Line[] {
  const lines = server
    .log()
    .split('\n')
    .filter((line) => line !== '')
  return lines.map((line): Line => JSON.parse(line))
}

/** Requests that were refused with a code word, as the log tells it. */
function refusals(lines: readonly Line[], code: string): number {
  return lines.filter((line) => line.code === code).reduce((sum, { count }) => sum + (count ?? 1), 0)
}

test('a burst of refusals that clients cause is a handful of lines at level info, without a stack, and counted', async () => {
  const server = await startServer(['--slots', '1'])
  const holder = locationOf(await tus.create(server, 1000))
  const waiting = locationOf(await tus.create(server, 1000))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(holder).pathname}`, [
    ...['Tus-Resumable: 1.0.0', 'Upload-Offset: 0', 'Content-Length: 1000'],
    'Content-Type: application/offset+octet-stream',
  ])
  await raw.write('a'.repeat(600))
  await eventually(30_000, 'the slot', async () =>
    (await statusOf(server)).slots.taken === 1 ? true : undefined,
  )
  for (let done = 0; done < REFUSED; done += 10) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => tus.patch(server, waiting, 0, 'x')))
    assert.equal([...new Set(answers.map(({ status }) => status))], [503])
  }
  assert.is((await tus.patch(server, waiting.replace(/.{4}$/, 'aaaa'), 0, '')).status, 404)
  raw.cut()
  assert.is(await server.stop(), 0)
  const lines = linesOf(server)
  console.log(`log: ${lines.length} lines, ${server.log().length} bytes for ${REFUSED} refused requests`)
  assert.is(refusals(lines, 'slots_full'), REFUSED)
  assert.is(refusals(lines, 'upload_unknown'), 1)
  assert.ok(lines.filter((line) => line.code === 'slots_full').length <= 20)
  assert.equal(
    lines.filter(({ level }) => level > 30),
    [],
  )
  assert.not.match(server.log(), /"stack"/)
  const created = lines.filter(({ msg, method }) => msg === 'request' && method === 'POST')
  assert.is(created.length, 2, 'a request that succeeded has its line')
})

test('a full disk is an error with its cause, and a burst of it is counted', async () => {
  const server = await startServer(['--min-free', '1024TiB'])
  for (let done = 0; done < 50; done++) assert.is((await tus.create(server, 1000)).status, 507)
  assert.is(await server.stop(), 0)
  const lines = linesOf(server).filter(({ code }) => code === 'disk_full')
  assert.is(refusals(lines, 'disk_full'), 50)
  assert.ok(lines.length <= 10, `${lines.length} lines`)
  assert.ok(lines.every(({ level }) => level === 50))
  assert.ok(lines[0]?.err)
})

test.run()
