import { setTimeout as pause } from 'node:timers/promises'
// time-limit: 600s

import { createHash } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { NO_INPUT, readerOf, sendWith } from '../helpers/js-client.js'
import { memoryPeak } from '../helpers/memory-peak.js'
import { BUFFERED, type Edit } from '../helpers/nginx.js'
import { type Line, lineBehindNginx, stopAll } from '../helpers/nginx-line.js'
import { assertStored, reprDigestOf, storedBytes } from '../helpers/proof.js'
import { RawConnection } from '../helpers/raw.js'
import { createUpload, offsetOf, Patch, PseudoFile, patchHeaders, resume } from '../helpers/sender.js'
import { eventually, statusOf, tus } from '../helpers/server.js'
import { bounded, needsProgram } from '../helpers/test.js'
import { chunk, patchHeaders as chunkedHeaders, exchange, LAST_CHUNK } from '../helpers/wire.js'

const test = suite('bodies through nginx')
const withNginx = needsProgram(test, 'nginx')

const MIB = 2 ** 20
const GIB = 2 ** 30
const WITHIN_MS = 60_000
/** What nginx and the kernel may still hold of a body that was cut. */
const ON_THE_WAY_BYTES = 16 * MIB

test.after.each(stopAll)

/** A file that is an ELF executable by its first bytes. */
class Executable extends PseudoFile {
  override read(from: number, to: number): Buffer {
    const part = super.read(from, to)
    if (from === 0) part.write('\x7fELF\x02\x01\x01', 'latin1')
    return part
  }
}

const MODES: Readonly<Record<string, readonly Edit[]>> = {
  'request buffering off': [],
  'request buffering on': [BUFFERED],
}

async function oneMode(edits: readonly Edit[], flags: readonly string[] = []): Promise<Line> {
  return lineBehindNginx(flags, edits)
}

withNginx('request buffering off: a cut PATCH keeps its bytes, and the rest follows', async () => {
  const { server, nginx, front } = await lineBehindNginx([])
  const file = new PseudoFile(1, 100 * MIB)
  const path = await createUpload(front, file)
  const patch = await Patch.begin(front, path, file, 0)
  await patch.send(40 * MIB)
  const seen = await eventually(WITHIN_MS, 'the first bytes', async () => {
    const bytes = storedBytes(server, path)
    return bytes > 40 * MIB - ON_THE_WAY_BYTES ? bytes : undefined
  })
  patch.connection.cut()
  const { offsets, digest } = await resume(front, path, file)
  assert.is(offsets.length, 1, 'one HEAD, one PATCH')
  assert.ok((offsets[0] ?? 0) >= seen && (offsets[0] ?? 0) <= 40 * MIB, `resumed from ${offsets[0]}`)
  assert.is(nginx.bufferedBytes(), 0)
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
})

withNginx('request buffering on: a cut PATCH brings nothing; a whole one arrives', async () => {
  const { server, nginx, front } = await lineBehindNginx([], [BUFFERED])
  const file = new PseudoFile(1, 100 * MIB)
  const path = await createUpload(front, file)
  const patch = await Patch.begin(front, path, file, 0)
  await patch.send(40 * MIB)
  await eventually(WITHIN_MS, 'the first bytes on the disk of nginx', async () => {
    return nginx.bufferedBytes() > 40 * MIB - ON_THE_WAY_BYTES ? true : undefined
  })
  assert.is(storedBytes(server, path), 0)
  patch.connection.cut()
  const { offsets, digest } = await resume(front, path, file)
  assert.equal(offsets, [0], 'all of it is sent again')
  assert.is(digest, reprDigestOf(file))
  await assertStored(server, path, file)
})

for (const [mode, edits] of Object.entries(MODES)) {
  /** Before the body is through, where nginx shows it to the server at once. */
  const early = edits.length === 0
  /** So many that the answer overtakes them, also where the disk takes its time to remove what is refused. */
  const sentBytes = (early ? 240 : 100) * MIB

  const refusals: readonly { status: number; flags: readonly string[]; file: PseudoFile; length?: number }[] =
    [
      { status: 415, flags: [], file: new Executable(2, sentBytes) },
      { status: 413, flags: [], file: new PseudoFile(2, sentBytes), length: 50 * MIB },
      { status: 503, flags: ['--slots', '1'], file: new PseudoFile(2, sentBytes) },
    ]

  for (const { status, flags, file, length = file.size } of refusals) {
    withNginx(`${mode}: ${status} arrives as ${status} while its body is being sent`, async () => {
      const { server, front } = await oneMode(edits, flags)
      const holder = status === 503 ? await held(server) : undefined
      const path = await createUpload(front, { size: length })
      const patch = await Patch.begin(front, path, file, 0)
      // Nginx reads on for as long as bytes are there: behind those that decide, each MiB leaves the answer some time.
      await patch.send(50 * MIB)
      for (let to = 51 * MIB; early && to <= file.size && !patch.isOver; to += MIB) {
        await patch.send(to)
        await Promise.race([patch.answered, pause(20)])
      }
      await patch.send()
      const answer = await patch.answered
      assert.is(answer?.status, status)
      assert.is(patch.at < file.size, early, `answered after ${patch.at} bytes`)
      patch.connection.socket.destroy()
      holder?.connection.cut()
      await idle(server)
    })
  }

  withNginx(`${mode}: a creation over --max-size is 413, by the server's word`, async () => {
    const { front } = await oneMode(edits, ['--max-size', '10MiB'])
    const answer = await tus.create(front, 11 * MIB)
    assert.is(answer.status, 413)
    assert.match(answer.text, /^size_exceeded: /)
  })

  withNginx(`${mode}: nginx itself answers Expect: 100-continue, and the PATCH succeeds`, async () => {
    const { server, front } = await oneMode(edits)
    const file = new PseudoFile(3, 5 * MIB)
    const path = await createUpload(front, file)
    const connection = await RawConnection.open(front.port)
    await connection.head(`PATCH ${path}`, [...patchHeaders(0, file.size), 'Expect: 100-continue'])
    assert.is((await connection.answer()).status, 100)
    for (let at = 0; at < file.size; ) {
      const part = file.read(at, file.size)
      await connection.write(part)
      at += part.length
    }
    assert.is((await connection.answer()).status, 204)
    connection.socket.destroy()
    await assertStored(server, path, file)
  })

  withNginx(`${mode}: a PATCH that takes longer than proxy_read_timeout is not cut`, async () => {
    const short: readonly Edit[] = [
      ['proxy_read_timeout 300s;', 'proxy_read_timeout 1s;'],
      ['client_max_body_size 0;', 'client_max_body_size 0; proxy_send_timeout 1s; client_body_timeout 1s;'],
    ]
    const { server, front } = await oneMode([...edits, ...short])
    const file = new PseudoFile(4, 5 * MIB)
    const path = await createUpload(front, file)
    const patch = await Patch.begin(front, path, file, 0)
    for (let part = 1; part < 10; part++) {
      await patch.send((part * file.size) / 10)
      // The time itself is what is tried: nine pauses are more than the second.
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
    assert.is((await patch.finish())?.status, 204)
    await assertStored(server, path, file)
  })

  withNginx(`${mode}: 1 GiB by tus-js-client, and neither nginx nor the server grows`, async () => {
    const { server, nginx, front } = await oneMode(edits)
    const small = new PseudoFile(5, MIB)
    await sendWith(front, NO_INPUT, { fileReader: readerOf(small) })
    const before = { nginx: memoryPeak(nginx.pid), server: (await statusOf(server)).memory.rssPeakBytes }
    const file = new PseudoFile(6, GIB)
    let buffered = 0
    const looking = setInterval(() => {
      buffered = Math.max(buffered, nginx.bufferedBytes())
    }, 50)
    const sent = await sendWith(front, NO_INPUT, { fileReader: readerOf(file) }).finally(() => {
      clearInterval(looking)
    })
    assert.equal(sent.answers, ['POST 201', 'PATCH 204'])
    const grown = {
      nginx: memoryPeak(nginx.pid) - before.nginx,
      server: (await statusOf(server)).memory.rssPeakBytes - before.server,
    }
    console.log(`${mode}: grown by ${JSON.stringify(grown)} bytes; on nginx's disk: ${buffered}`)
    assert.ok(grown.nginx < 16 * MIB, `nginx grew by ${grown.nginx} bytes`)
    assert.ok(grown.server < 50 * MIB, `the server grew by ${grown.server} bytes`)
    assert.is(buffered > file.size / 2, !early, `nginx held ${buffered} bytes on its disk`)
    assert.is(sent.digest, reprDigestOf(file))
    await assertStored(server, sent.path, file)
  })
}

/** A PATCH that has one of the server's slots. */
async function held(server: Line['server']): Promise<Patch> {
  const file = new PseudoFile(9, MIB)
  const patch = await Patch.begin(server, await createUpload(server, file), file, 0)
  await patch.send(1000)
  await eventually(WITHIN_MS, 'the slot', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  return patch
}

withNginx('a checksum in a trailer does not pass nginx, and then nothing of its request counts', async () => {
  const { front } = await lineBehindNginx([])
  const sum = createHash('sha1').update('hello').digest('base64')
  const path = await createUpload(front, { size: 5 })
  const headers = [...chunkedHeaders(0, null), 'Trailer: Upload-Checksum']
  const body = `${chunk('hello')}0\r\nUpload-Checksum: sha1 ${sum}\r\n\r\n`
  const answer = await exchange(front, `PATCH ${path}`, headers, body)
  assert.is(answer.status, 400)
  assert.is(await offsetOf(front, path), 0)
  const asHeader = [...chunkedHeaders(0, null), `Upload-Checksum: sha1 ${sum}`]
  const sent = await exchange(front, `PATCH ${path}`, asHeader, `${chunk('hello')}${LAST_CHUNK}`)
  assert.is(sent.status, 204)
})

withNginx(
  'request buffering off: who falls silent gets 502, which clients try again, and keeps the offset',
  async () => {
    const { server, front } = await lineBehindNginx(['--idle-timeout', '1s'])
    const file = new PseudoFile(7, 5 * MIB)
    const path = await createUpload(front, file)
    const patch = await Patch.begin(front, path, file, 0)
    await patch.send(MIB)
    const answer = await bounded(WITHIN_MS, patch.answered, 'the answer')
    assert.is(answer?.status, 502)
    assert.is(await offsetOf(front, path), MIB)
    const { digest } = await resume(front, path, file)
    assert.is(digest, reprDigestOf(file))
    await assertStored(server, path, file)
  },
)

withNginx(
  'request buffering on: who falls silent is cut by client_body_timeout, and nothing is kept',
  async () => {
    const impatient: Edit = ['client_max_body_size 0;', 'client_max_body_size 0; client_body_timeout 1s;']
    const { front } = await lineBehindNginx([], [BUFFERED, impatient])
    const file = new PseudoFile(7, 5 * MIB)
    const path = await createUpload(front, file)
    const patch = await Patch.begin(front, path, file, 0)
    await patch.send(MIB)
    assert.is(await bounded(WITHIN_MS, patch.answered, 'the end'), undefined, 'it ends without an answer')
    assert.is(await offsetOf(front, path), 0)
  },
)

test.run()
