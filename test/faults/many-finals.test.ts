// time-limit: 400s

import { Agent, request as httpRequest } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { memoryPeak } from '../helpers/memory-peak.js'
import { createPart, joinedHead, PARTIAL, reprDigestOfText } from '../helpers/parts.js'
import { idOf, locationOf, statusOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { underAttack } from '../helpers/under-attack.js'

const test = suite('many final uploads')
test.after(killServers)

const MIB = 2 ** 20
const CONNECTIONS = 8
const VERSION = { 'Tus-Resumable': '1.0.0' }
const metadata = (number: number) => `key ${Buffer.alloc(6000, `${number} `).toString('base64')}`

interface Created {
  readonly status: number
  readonly location: string
  readonly ms: number
}

/** POSTs, on a few connections that stay open; `headersOf` gives each its headers. */
async function createMany(
  server: TestServer,
  count: number,
  headersOf: (number: number) => Readonly<Record<string, string>>,
): Promise<Created[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const created: Created[] = []
  let next = 0
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const startedAt = performance.now()
      const headers = { ...VERSION, ...headersOf(next++) }
      const request = httpRequest(server.url, { method: 'POST', agent, headers }, (answer) => {
        answer.on('error', reject).resume()
        answer.on('end', () => {
          const { statusCode: status = 0, headers } = answer
          created.push({ status, location: headers.location ?? '', ms: performance.now() - startedAt })
          resolve()
        })
      })
      request.on('error', reject).end()
    })
  const worker = async (): Promise<void> => {
    while (next < count) await one()
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
  agent.destroy()
  return created
}

/** Parts without a byte; their ids. */
async function emptyParts(server: TestServer, count: number, length: number): Promise<string[]> {
  const created = await createMany(server, count, () => ({ ...PARTIAL, 'Upload-Length': `${length}` }))
  return created.map(({ location }) => idOf(location))
}

function statuses(created: readonly Created[]): string {
  const counts = new Map<number, number>()
  for (const { status } of created) counts.set(status, (counts.get(status) ?? 0) + 1)
  return [...counts].map(([status, count]) => `${count} × ${status}`).join(', ')
}

function meanMs(created: readonly Created[]): string {
  return (created.reduce((sum, { ms }) => sum + ms, 0) / created.length / CONNECTIONS).toFixed(1)
}

async function assertJoins(server: TestServer): Promise<void> {
  const parts = [await createPart(server, 'ab'), await createPart(server, 'cd', 1)]
  const answer = await tus.join(server, parts)
  assert.is(answer.status, 201)
  await tus.patch(server, parts[1] ?? '', 1, 'd')
  assert.is((await joinedHead(server, locationOf(answer))).headers['repr-digest'], reprDigestOfText('abcd'))
}

test('20 final uploads of 1,000 parts each do not keep another user from making one', async () => {
  const server = await startServer()
  const report = await underAttack('20 finals of 1,000 parts', server, async () => {
    const parts = await emptyParts(server, 4_000, 1)
    const lists = Array.from({ length: 20 }, (_, n) => parts.slice((n % 4) * 1000, (n % 4) * 1000 + 1000))
    const finals = await createMany(server, 20, (n) => ({
      'Upload-Concat': `final;${(lists[n] ?? []).join(' ')}`,
      'Upload-Metadata': `number ${Buffer.from(`${n}`).toString('base64')}`,
    }))
    console.log(`20 finals of 1,000 parts: ${statuses(finals)}, ${meanMs(finals)} ms each`)
    await assertJoins(server)
  })
  assert.equal(report.failures, [])
  assert.is(await server.stop(), 0)
})

test('4,000 open final uploads with 8 KiB of metadata stay small and cost nobody time', async () => {
  const server = await startServer()
  const report = await underAttack('4,000 open finals', server, async () => {
    const parts = await emptyParts(server, 100, 1)
    const finals = await createMany(server, 4_000, (number) => ({
      'Upload-Concat': `final;${parts.join(' ')}`,
      'Upload-Metadata': metadata(number),
    }))
    const rss = (await statusOf(server)).memory.rssBytes
    console.log(
      `4,000 open finals: ${statuses(finals)}, ${meanMs(finals)} ms each, the last 100 ${meanMs(finals.slice(-100))} ms; ` +
        `memory ${(rss / MIB).toFixed(1)} MiB`,
    )
    assert.ok(finals.every(({ status }) => status === 201))
    await assertJoins(server)
  })
  assert.equal(report.failures, [])
  assert.is(await server.stop(), 0)
})

test('1,000 joined final uploads with 8 KiB of metadata and long lists of parts leave nothing in memory', async () => {
  const server = await startServer(['--keep-partials', '1h'])
  const idleBytes = (await statusOf(server)).memory.rssBytes
  const part = idOf(await createPart(server, 'x'))
  // A URL counts by its end: a long header without many steps of joining.
  const url = `/${'x'.repeat(2_000)}/${part}`
  const finals = await createMany(server, 1_000, (number) => ({
    'Upload-Concat': `final;${Array(20).fill(url).join(' ')}`,
    'Upload-Metadata': metadata(number),
  }))
  const rss = (await statusOf(server)).memory.rssBytes
  const peak = memoryPeak(server.pid)
  console.log(
    `1,000 joined finals: ${statuses(finals)}; memory ${(idleBytes / MIB).toFixed(1)} MiB idle, ` +
      `${((rss - idleBytes) / MIB).toFixed(1)} above, ${((peak - idleBytes) / MIB).toFixed(1)} at most`,
  )
  assert.ok(finals.every(({ status }) => status === 201))
  assert.ok(rss - idleBytes < 50 * MIB)
  assert.is(await server.stop(), 0)
})

test.run()
