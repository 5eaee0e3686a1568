// time-limit: 300s

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePort } from '../helpers/free-port.js'
import { agesOfRepeated, type Came, killWhileFinishing } from '../helpers/kills.js'
import { Receiver } from '../helpers/receiver.js'
import { printedSeed, randomFrom } from '../helpers/sender.js'
import {
  eventually,
  idOf,
  locationOf,
  send,
  type TestServer,
  temporaryFolder,
  tus,
} from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('deliveries over crashes')
test.after(killServers)

const WITHIN_MS = 60_000
const KILLS = Number(process.env.KILLS ?? 10)
const UPLOADS_A_ROUND = 8
const MOST_WAIT_MS = 300
/**
 * What the receiver acknowledged so shortly before the kill may come again: Lading reads the 2xx and notes it on the
 * disk, in a few milliseconds while nothing else waits for the processor.
 */
const CRASH_WINDOW_MS = 1_000
const RECEIVER = fileURLToPath(new URL('../helpers/receiver-main.js', import.meta.url))
const random = randomFrom(printedSeed('deliveries'))

/** Creates an upload of five bytes and sends them; gives its id where the server lived long enough to say it. */
async function upload(server: TestServer, ids: string[]): Promise<void> {
  try {
    const location = locationOf(await tus.create(server, 5))
    ids.push(idOf(location))
    await tus.patch(server, location, 0, 'hello')
  } catch {
    // The server was killed meanwhile.
  }
}

/** The uploads among these that are finished. */
async function finishedOf(server: TestServer, ids: readonly string[]): Promise<string[]> {
  const finished: string[] = []
  for (const id of ids) {
    const { status, headers } = await tus.head(server, `/files/${id}`)
    if (status === 200 && headers['repr-digest'] !== undefined) finished.push(id)
  }
  return finished
}

async function deliveriesIn(
  server: TestServer,
  state: string,
): Promise<{ id: string; nextAttemptAt: string }[]> {
  const { text } = await send(server.origin, {
    method: 'GET',
    path: `/api/deliveries?state=${state}&limit=256`,
  })
  return JSON.parse(text).deliveries
}

/** Waits until nothing is pending; what waits for long is sent again. What goes out now is left alone: it may be done. */
async function drain(server: TestServer): Promise<void> {
  await eventually(WITHIN_MS, 'the last delivery', async () => {
    const pending = await deliveriesIn(server, 'pending')
    const late = pending.filter(({ nextAttemptAt }) => Date.parse(nextAttemptAt) > Date.now() + 30_000)
    for (const { id } of late)
      await send(server.origin, { method: 'POST', path: `/api/deliveries/${id}/resend` })
    return pending.length === 0 || undefined
  })
}

const countOf = (list: readonly string[], item: string): number => list.filter((each) => each === item).length

test('"every finished upload was told at least once", in order, whenever Lading is killed', async () => {
  const receiver = await Receiver.start()
  const flags = ['--hooks-http', receiver.url]
  const ids: string[] = []
  const came: Came[] = []
  const killedAtMs: number[] = []
  const answered: string[] = []
  receiver.reply = ({ type, json }) => {
    const hook = `${type} ${json.Event.Upload.ID}`
    if (type.startsWith('post-')) came.push({ hook, life: killedAtMs.length, atMs: performance.now() })
    return {}
  }
  let server = await startServer(flags)
  for (let round = 0; round < KILLS; round += 1) {
    const created = await Promise.all(Array.from({ length: UPLOADS_A_ROUND }, () => tus.create(server, 5)))
    const locations = created.map(locationOf)
    ids.push(...locations.map(idOf))
    const killed = await killWhileFinishing(server, locations, random)
    answered.push(...killed.answered)
    // What the killed server has sent is read before the next one counts: that delivers while it starts.
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate)
    killedAtMs.push(killed.killedAtMs)
    server = await startServer(flags, server.dataDir)
  }
  const finished = await eventually(WITHIN_MS, 'the uploads that are whole', async () => {
    const found = await finishedOf(server, ids)
    const told = found.filter((id) => came.some(({ hook }) => hook === `post-finish ${id}`))
    return told.length === found.length ? found : undefined
  })
  await drain(server)
  const hooks = came.map(({ hook }) => hook)
  const finishes = hooks.filter((hook) => hook.startsWith('post-finish'))
  for (const id of ids) {
    const [created, ended] = [`post-create ${id}`, `post-finish ${id}`]
    if (!finished.includes(id)) assert.is(countOf(hooks, ended), 0, `${id} is not finished`)
    else assert.ok(countOf(hooks, ended) > 0, `${id} was not told`)
    const isBoth = hooks.includes(created) && hooks.includes(ended)
    if (isBoth) assert.ok(hooks.indexOf(created) < hooks.indexOf(ended), `the order of ${id}`)
  }
  // Every answer was 2xx: one that came again came after a crash, which hid it from the server.
  const lives = came.map(({ hook, life }) => `${life} ${hook}`)
  assert.is(new Set(lives).size, lives.length)
  const ages = agesOfRepeated(came, killedAtMs)
  const again = finishes.length - new Set(finishes).size
  console.log(
    `${KILLS} kills, ${ids.length} uploads, ${answered.length} answered, ${finished.length} finished, ` +
      `${finishes.length} post-finish (${again} again); ${ages.length} of ${hooks.length} hooks came again, ` +
      `the earliest acknowledged ${Math.max(0, ...ages).toFixed(1)} ms before a kill`,
  )
  assert.ok(
    ages.every((age) => age < CRASH_WINDOW_MS),
    'a hook came again that was acknowledged long before',
  )
  assert.ok(answered.length >= KILLS && answered.every((id) => finished.includes(id)))
  receiver.close()
})

test('"every finished upload was told at least once", in order, whenever the receiver is killed', async () => {
  const [port, file] = [await freePort(), join(temporaryFolder(), 'hooks')]
  const start = async () => {
    const child = spawn(process.execPath, [RECEIVER, String(port), file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    return child
  }
  const server = await startServer([
    '--hooks-http',
    `http://127.0.0.1:${port}`,
    '--hooks-enabled-events',
    'post-create,post-finish',
  ])
  const ids: string[] = []
  let receiver = await start()
  for (let kills = 0; kills < KILLS; kills += 1) {
    const uploads = Array.from({ length: UPLOADS_A_ROUND }, () => upload(server, ids))
    await pause(random() * MOST_WAIT_MS)
    receiver.kill('SIGKILL')
    await Promise.all([...uploads, once(receiver, 'exit')])
    receiver = await start()
  }
  await drain(server)
  assert.is((await finishedOf(server, ids)).length, KILLS * UPLOADS_A_ROUND)
  const lines = readFileSync(file, 'utf8').split('\n')
  let again = 0
  const acknowledged = new Set<string>()
  for (const line of lines) {
    const [what, hook = ''] = line.split(/ (.*)/)
    if (what === 'came') assert.not(acknowledged.has(hook), `${hook} came again after its 2xx`)
    else acknowledged.add(hook)
  }
  for (const id of ids) {
    const [created, ended] = [`came post-create ${id}`, `came post-finish ${id}`]
    assert.ok(lines.includes(created) && lines.includes(ended), `${id} was not told`)
    const own = lines.filter((line) => line.endsWith(id))
    assert.ok(own.lastIndexOf(created) < own.indexOf(ended), `the order of ${own}`)
    again += countOf(lines, ended) - 1
  }
  console.log(
    `${KILLS} kills of the receiver, ${ids.length} finished, ${ids.length + again} post-finish (${again} again)`,
  )
  assert.ok(again <= KILLS * UPLOADS_A_ROUND)
  assert.is(await server.stop(), 0)
  receiver.kill('SIGKILL')
})

test('what is undelivered survives a restart and the deletion of lading.db', async () => {
  const receiver = await Receiver.start()
  const flags = [
    '--hooks-http',
    receiver.url,
    '--hooks-enabled-events',
    'post-create,post-finish,post-terminate',
  ]
  receiver.reply = () => ({ status: 503 })
  const first = await startServer(flags)
  const ids: string[] = []
  await Promise.all([1, 2, 3].map(() => upload(first, ids)))
  await tus.remove(first, `/files/${ids[0]}`)
  await eventually(
    WITHIN_MS,
    'the first tries',
    async () => receiver.of('post-create').length >= 3 || undefined,
  )
  assert.is(await first.stop(), 0)
  for (const name of ['lading.db', 'lading.db-wal', 'lading.db-shm'])
    rmSync(join(first.dataDir, name), { force: true })
  receiver.clear()
  const second = await startServer(flags, first.dataDir)
  await eventually(WITHIN_MS, 'every event', async () => receiver.hooks.length >= 7 || undefined)
  await drain(second)
  for (const id of ids) {
    const own = receiver.hooks.filter(({ json }) => json.Event.Upload.ID === id).map(({ type }) => type)
    assert.equal(own, ['post-create', 'post-finish', ...(id === ids[0] ? ['post-terminate'] : [])])
  }
  assert.is((await deliveriesIn(second, 'done')).length, 7)
  assert.is(await second.stop(), 0)
  assert.not(existsSync(join(first.dataDir, 'deliveries', 'http', `${ids[0]}.jsonl`)))
  receiver.close()
})

test('"no answer waits" for a receiver that hangs, and neither does the exit', async () => {
  const receiver = await Receiver.start()
  receiver.reply = () => ({ hang: true })
  const flags = [
    '--hooks-http',
    receiver.url,
    '--hooks-enabled-events',
    'post-create,post-receive,post-finish,post-terminate',
  ]
  const servers = [await startServer(), await startServer(flags)]
  const tookMs = [0, 0]
  for (let round = 0; round < 100; round += 1) {
    for (const [index, server] of servers.entries()) {
      const begunMs = performance.now()
      await upload(server, [])
      tookMs[index] = (tookMs[index] ?? 0) + performance.now() - begunMs
    }
  }
  const [without = 1, hanging = 1] = tookMs
  console.log(
    `100 uploads of 5 bytes: ${without.toFixed()} ms without hooks, ${hanging.toFixed()} ms with a receiver that hangs, ratio ${(hanging / without).toFixed(2)}`,
  )
  await eventually(WITHIN_MS, 'the receiver', async () => receiver.hooks.length >= 64 || undefined)
  for (const server of servers) assert.is(await server.stop(), 0)
  receiver.close()
})

test.run()
