// time-limit: 180s

import { readdirSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPart } from '../helpers/parts.js'
import { eventually, idOf, locationOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { underAttack } from '../helpers/under-attack.js'

const test = suite('creations')
test.after(killServers)

const FLOOD_MS = 12_000
const CONNECTIONS = 16
/** Of each connection between two creations: a flood of several hundred a second. */
const PAUSE_MS = 20
/** Far from what is promised, for a machine that is busy: the figure is printed. */
const GONE_WITHIN_MS = 60_000

/** Names in all day folders. */
function names({ dataDir }: TestServer): string[] {
  const found = readdirSync(join(dataDir, 'uploads'), { recursive: true, encoding: 'utf8' })
  return found.filter((name) => name.split('/').length === 4)
}

/** POSTs without a body, one behind the other on each of some connections; gives how many were answered by what. */
async function flood(server: TestServer, isOver: (posts: number) => boolean): Promise<Map<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const counts = new Map<number, number>()
  const headers = {
    'Tus-Resumable': '1.0.0',
    'Upload-Length': 1000,
    'Upload-Metadata': `k ${'YWFh'.repeat(500)}`,
  }
  const post = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(server.url, { agent, method: 'POST', headers }, (response) => {
        response.on('error', reject).resume()
        response.on('end', () => resolve(response.statusCode ?? 0))
      })
      sent.on('error', reject).end()
    })
  let posts = 0
  const line = async (): Promise<void> => {
    while (!isOver(posts++)) {
      const status = await post()
      counts.set(status, (counts.get(status) ?? 0) + 1)
      await setTimeout(PAUSE_MS)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, line)).finally(() => agent.destroy())
  return counts
}

async function unfinished(server: TestServer): Promise<number> {
  return (await statusOf(server)).uploads.unfinished
}

test('expiry outruns a flood of creations, and no other user is hurt by the flood or by the removal', async () => {
  const server = await startServer(['--expire-after', '4s'])
  let counts = new Map<number, number>()
  let goneMs = 0
  await underAttack('a flood of creations', server, async () => {
    const until = performance.now() + FLOOD_MS
    counts = await flood(server, () => performance.now() > until)
    const endedAt = performance.now()
    await eventually(GONE_WITHIN_MS, 'the end of all that was created', async () => {
      return names(server).length <= 4 ? true : undefined
    })
    goneMs = performance.now() - endedAt
  })
  const created = counts.get(201) ?? 0
  console.log(
    `creations: ${created} in ${FLOOD_MS / 1000} s, all of them gone ${(goneMs / 1000).toFixed(1)} s after the last one`,
  )
  assert.is([...counts.keys()].join(), '201')
  assert.is(await server.stop(), 0)
})

test('--max-unfinished bounds what is unfinished: 503 unfinished_full with Retry-After beyond', async () => {
  const server = await startServer(['--max-unfinished', '50'])
  const counts = await flood(server, (posts) => posts >= 120)
  assert.is(counts.get(201), 50)
  assert.is(counts.get(503), 70)
  const refused = await tus.create(server, 4)
  assert.is(refused.status, 503)
  assert.match(refused.text, /^unfinished_full: /)
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.is(names(server).length, 100)
  assert.is(await server.stop(), 0)
})

test('a place is given back by every end of an upload, and the count is that of the disk after a restart', async () => {
  let server = await startServer(['--max-unfinished', '6'])
  const made = async (length: number | null, headers = {}): Promise<string> =>
    locationOf(await tus.create(server, length, headers))
  const count = async (expected: number, what: string): Promise<void> => {
    const left = names(server).filter((name) => name.endsWith('.json'))
    await eventually(30_000, `${expected} unfinished: ${what}, of ${left.length}`, async () =>
      (await unfinished(server)) === expected ? true : undefined,
    )
  }
  assert.is((await tus.patch(server, await made(3), 0, 'abc')).status, 204)
  await count(0, 'finished')
  await made(0)
  await count(0, 'finished at once')
  assert.is((await tus.remove(server, await made(3))).status, 204)
  await count(0, 'terminated')
  const refusedType = await tus.patch(server, await made(600), 0, `\x7fELF${'\0'.repeat(596)}`)
  assert.is(refusedType.status, 415)
  await count(0, 'refused')
  const body = { 'Content-Type': 'application/offset+octet-stream' }
  const withUpload = await tus.create(server, 600, { ...body, 'Upload-Checksum': 'sha1 AAAA' })
  assert.is(withUpload.status, 400)
  await count(0, 'refused before it was made')
  const parts = [await createPart(server, 'ab'), await createPart(server, 'cd')]
  await count(2, 'partial uploads')
  assert.is((await tus.join(server, parts)).status, 201)
  await count(0, 'joined')
  const open = await createPart(server, 'ab', 1)
  assert.is((await tus.join(server, [open])).status, 201)
  const paused = await made(null)
  assert.is((await tus.patch(server, paused, 0, 'ab')).status, 204)
  await count(3, 'a part, its final upload and one that is paused')
  assert.is(await server.stop('SIGKILL'), null)
  server = await startServer(['--max-unfinished', '3'], server.dataDir)
  await count(3, 'after a kill')
  assert.is((await tus.create(server, 4)).status, 503)
  assert.is(await server.stop(), 0)
  server = await startServer(['--max-unfinished', '3'], server.dataDir)
  await count(3, 'after a restart')
  const last = `/files/${idOf(paused)}`
  assert.is((await tus.remove(server, last)).status, 204)
  await count(2, 'after one went')
  assert.is((await tus.create(server, 4)).status, 201)
  assert.is(await server.stop(), 0)
})

test.run()
