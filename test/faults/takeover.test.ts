import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { assertStored, storedBytes, storedFile } from '../helpers/proof.js'
import { createUpload, offsetOf, Patch, PseudoFile, printedSeed, resume } from '../helpers/sender.js'
import { eventually, send, startServer, statusOf, type TestServer, tus } from '../helpers/server.js'

const ENDLESS = new URL('../helpers/endless.js', import.meta.url).pathname

const MIB = 2 ** 20
const ROUNDS = 8
/** What is promised is 100 ms; the figures are printed, and the bound leaves room for a busy machine. */
const ANSWERED_WITHIN_MS = 2_000

interface Place {
  server: TestServer
}

const test = suite<Place>('takeover')
const seed = printedSeed('takeover')

test.before(async (place) => {
  place.server = await startServer()
})

test.after(async ({ server }) => {
  await server.stop('SIGKILL')
})

/** An older PATCH that runs, and how it ends. */
interface Older {
  /** The least that must count of it, in bytes from the upload's start. */
  readonly sure: number
  end(): Promise<void>
}

/** How the connection of the older PATCH is when the newer request comes. */
const CONNECTIONS: Record<string, (server: TestServer, path: string, file: PseudoFile) => Promise<Older>> = {
  'at full speed': async (server, path, file) => {
    const patch = await Patch.begin(server, path, file, 0)
    const sent = patch.send()
    const sure = await stored(server, path, 2 * MIB)
    const end = async (): Promise<void> => {
      const answer = await patch.answered
      assert.is(answer?.status, 423, 'the older request is told')
      assert.match(answer?.text ?? '', /^upload_taken_over: /)
      await sent
      patch.connection.socket.destroy()
    }
    return { sure, end }
  },
  stalled: async (server, path, file) => {
    const patch = await Patch.begin(server, path, file, 0)
    await patch.send(3 * MIB + 17)
    const sure = await stored(server, path, 3 * MIB + 17)
    const end = async (): Promise<void> => {
      assert.is((await patch.answered)?.status, 423, 'the older request is told')
      patch.connection.socket.destroy()
    }
    return { sure, end }
  },
  'dead without a FIN': async (server, path, file) => {
    const args = [ENDLESS, server.port, path, 0, file.size].map(String)
    const child = spawn(process.execPath, args, { stdio: 'inherit' })
    const exited = once(child, 'exit')
    const sure = await stored(server, path, 2 * MIB)
    // It lives no more for the server: nothing comes, nothing is read, and its system closes nothing.
    child.kill('SIGSTOP')
    const end = async (): Promise<void> => {
      child.kill('SIGKILL')
      await exited
    }
    return { sure, end }
  },
}

/** Waits until so many bytes are in the file, and says how many there are. */
function stored(server: TestServer, path: string, bytes: number): Promise<number> {
  return eventually(10_000, `${bytes} bytes`, async () => {
    const size = storedBytes(server, path)
    return size >= bytes ? size : undefined
  })
}

const newer = {
  HEAD: (server: TestServer, path: string) => tus.head(server, path),
  PATCH: (server: TestServer, path: string, offset: number) =>
    tus.patch(server, path, offset, Buffer.alloc(0)),
  DELETE: (server: TestServer, path: string) => tus.remove(server, path),
}

function figures(times: number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const [median = 0, most = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  return `median ${median.toFixed(1)} ms, most ${most.toFixed(1)} ms of ${times.length}`
}

for (const [connection, begin] of Object.entries(CONNECTIONS)) {
  for (const [method, request] of Object.entries(newer)) {
    test(`a ${method} ends a PATCH whose connection is ${connection}, and what came counts`, async ({
      server,
    }) => {
      const times: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        const file = new PseudoFile(seed + round, 4096 * MIB)
        const path = await createUpload(server, file)
        const older = await begin(server, path, file)
        const startedAt = performance.now()
        const { status, headers } = await request(server, path, older.sure)
        times.push(performance.now() - startedAt)
        if (method === 'HEAD') {
          assert.is(status, 200)
          assert.is(Number(headers['upload-offset']), storedBytes(server, path))
          assert.ok(Number(headers['upload-offset']) >= older.sure)
        }
        // Right is the offset at which the older one ended, and no other.
        if (method === 'PATCH') assert.is(status, storedBytes(server, path) === older.sure ? 204 : 409)
        if (method === 'DELETE') assert.is(status, 204)
        await older.end()
        if (method === 'DELETE') assert.not(existsSync(storedFile(server, path)))
        else assert.is((await tus.remove(server, path)).status, 204)
      }
      console.log(`takeover: ${method}, ${connection}: ${figures(times)}`)
      assert.ok(Math.max(...times) < ANSWERED_WITHIN_MS, figures(times))
    })
  }
}

test('an upload that was taken over again and again at full speed is right in the end', async ({
  server,
}) => {
  const file = new PseudoFile(seed, 400 * MIB)
  const path = await createUpload(server, file)
  let at = 0
  let rounds = 0
  for (; at < file.size / 2; rounds++) {
    const patch = await Patch.begin(server, path, file, at)
    const sent = patch.send()
    await stored(server, path, at + 1)
    const offset = await offsetOf(server, path)
    assert.ok(offset > at)
    at = offset
    await sent
    patch.connection.socket.destroy()
  }
  console.log(`takeover: the first half took ${rounds} rounds`)
  assert.ok(rounds > 1)
  await resume(server, path, file)
  await assertStored(server, path, file)
})

test('of many requests that come for one upload at once, each is answered and the last byte counts', async ({
  server,
}) => {
  const file = new PseudoFile(seed + 1, 8 * MIB)
  const path = await createUpload(server, file)
  const stalled = await Patch.begin(server, path, file, 0)
  await stalled.send(MIB)
  await stored(server, path, MIB)
  const heads = await Promise.all(Array.from({ length: 12 }, () => tus.head(server, path)))
  assert.equal(new Set(heads.map(({ headers }) => headers['upload-offset'])), new Set([`${MIB}`]))
  stalled.connection.socket.destroy()
  await resume(server, path, file)
  await assertStored(server, path, file)
  const status = await send(server.origin, { method: 'GET', path: '/healthz' })
  assert.is(status.status, 200)
})

test('afterwards all slots and blocks are free', async ({ server }) => {
  await eventually(30_000, 'free slots and blocks', async () => {
    const { slots, arena } = await statusOf(server)
    return slots.taken === 0 && arena.free === arena.blocks ? true : undefined
  })
})

test.run()
