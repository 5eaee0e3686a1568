import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { firstOf } from '../helpers/raw.js'
import { printedSeed, randomFrom } from '../helpers/sender.js'
import { eventually, send, statusOf, type TestServer } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'
import { descriptors } from '../helpers/under-attack.js'
import { bodyHeaders, chunk, LAST_CHUNK, unknownId, VERSION } from '../helpers/wire.js'

const test = suite('pipelines-fuzz')
test.after(killServers)

const REQUESTS = 100_000
const MOST_MS = 120_000
const PARALLEL = 24
const SPARE_DESCRIPTORS = 8
const seed = printedSeed('pipelines-fuzz')

type Random = () => number

const pick = <T>(random: Random, items: readonly [T, ...T[]]): T =>
  items[Math.floor(random() * items.length)] ?? items[0]

function body(random: Random): { headers: string[]; text: string } {
  const text = 'x'.repeat(Math.floor(random() * random() * 3000))
  if (random() < 0.3) return { headers: bodyHeaders(null), text: `${chunk(`${text}y`)}${LAST_CHUNK}` }
  const announced = random() < 0.1 ? text.length + 5 : text.length
  return { headers: bodyHeaders(announced), text }
}

/** One request as a client, or one that goes wrong, may send it. */
function plausible(random: Random, ids: readonly string[]): string {
  const id = random() < 0.5 ? (ids[Math.floor(random() * ids.length)] ?? unknownId()) : unknownId()
  const path = pick(random, [
    '/files',
    '/files/',
    `/files/${id}`,
    `/files/${id}`,
    '/healthz',
    '/api/status',
    '/x',
    '*',
  ])
  const method = pick(random, [
    'GET',
    'HEAD',
    'POST',
    'PATCH',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'PUT',
    'CONNECT',
  ])
  const headers = random() < 0.9 ? [VERSION] : []
  if (method === 'POST') headers.push(`Upload-Length: ${Math.floor(random() * 3000)}`)
  if (random() < 0.05) headers.push('Connection: close')
  if (random() < 0.08) headers.push(pick(random, ['Expect: 100-continue', 'Expect: y']))
  if (random() < 0.05)
    headers.push(`X-HTTP-Method-Override: ${pick(random, ['GET', 'PATCH', 'DELETE', 'x'])}`)
  if (random() < 0.02)
    headers.push(pick(random, ['Upgrade: x\r\nConnection: upgrade', 'Broken', 'Content-Length: 3']))
  const sent = random() < 0.4 ? body(random) : { headers: [], text: '' }
  if (method === 'PATCH') headers.push(`Upload-Offset: ${pick(random, [0, 0, 0, 3, 1000])}`)
  const version = random() < 0.97 ? 'HTTP/1.1' : 'HTTP/1.0'
  return `${[`${method} ${path} ${version}`, 'Host: localhost', ...headers, ...sent.headers].join('\r\n')}\r\n\r\n${sent.text}`
}

/** One connection: some requests in one or several pieces, then one of the ways to end. Resolves with their number. */
async function connection(server: TestServer, random: Random, ids: readonly string[]): Promise<number> {
  const count = 1 + Math.floor(random() * 30)
  let text = Array.from({ length: count }, () => plausible(random, ids)).join('')
  if (random() < 0.2) text = text.slice(0, Math.floor(text.length * random()))
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  if (random() < 0.7) socket.resume()
  const cut = random() < 0.5 ? text.length : Math.floor(random() * text.length)
  socket.write(text.slice(0, cut))
  if (cut < text.length) setImmediate(() => socket.write(text.slice(cut)))
  const ending = random()
  if (ending < 0.4) setImmediate(() => setImmediate(() => socket.resetAndDestroy()))
  else if (ending < 0.6) socket.once('data', () => socket.resetAndDestroy())
  else if (ending < 0.8) socket.once('data', () => socket.end())
  else setImmediate(() => socket.end())
  const late = setTimeout(() => socket.destroy(), 100)
  await bounded(MOST_MS, firstOf(socket, 'close'), 'the end of a connection')
  clearTimeout(late)
  return count
}

async function newId(server: TestServer): Promise<string> {
  const answer = await send(server.origin, {
    method: 'POST',
    path: '/files',
    headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': 3000 },
  })
  return String(answer.headers.location).slice(-41)
}

test(`"Whatever anyone sends, the process lives": ${REQUESTS} plausible pipelined requests, with resets`, async () => {
  const server = await startServer(['--log-level', 'silent'])
  const before = descriptors(server.pid)
  const until = performance.now() + MOST_MS
  let sent = 0
  const sender = async (index: number): Promise<void> => {
    const random = randomFrom(seed + index)
    while (sent < REQUESTS && performance.now() < until) {
      const ids = await Promise.all([newId(server), newId(server)])
      for (let round = 0; round < 20 && sent < REQUESTS; round++) {
        const count = await connection(server, random, ids)
        sent += count
      }
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, (_, index) => sender(index)))
  assert.is(server.process.exitCode, null, server.log())
  await idle(server)
  await eventually(60_000, 'the descriptors', async () => {
    return descriptors(server.pid) <= before + SPARE_DESCRIPTORS ? true : undefined
  })
  const { faults, memory } = await statusOf(server)
  console.log(`pipelines-fuzz: ${sent} requests, ${(memory.rssPeakBytes / 2 ** 20).toFixed(0)} MiB at most`)
  assert.is(faults.requests, 0, server.log())
  assert.ok(sent >= REQUESTS, `${sent} requests in time`)
  assert.is(await server.stop(), 0)
})

test.run()
