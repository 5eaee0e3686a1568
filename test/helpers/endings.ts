import * as assert from 'uvu/assert'
import { type RawAnswer, RawConnection } from './raw.js'
import { Patch, PseudoFile, patchHeaders } from './sender.js'
import { locationOf, type TestServer, tus } from './server.js'

/** One way in which a request ends; resolves when the client is through with it. */
export type Ending = (server: TestServer, random: () => number) => Promise<void>

const ELF = Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(2000)])
const KIB = 1024

async function created(server: TestServer, length: number | null): Promise<string> {
  return new URL(locationOf(await tus.create(server, length))).pathname
}

/** Writes a request by hand and resolves with its answer, the connection being closed after it. */
async function ask(
  server: TestServer,
  line: string,
  headers: readonly string[],
  body: Uint8Array | string,
): Promise<RawAnswer> {
  const connection = await RawConnection.open(server.port)
  await connection.head(line, headers)
  await connection.write(body)
  const answer = await connection.answer()
  connection.socket.destroy()
  return answer
}

async function begun(server: TestServer, sizeBytes: number, sentBytes: number): Promise<[Patch, string]> {
  const file = new PseudoFile(1, sizeBytes)
  const path = await created(server, sizeBytes)
  const patch = await Patch.begin(server, path, file, 0)
  await patch.send(sentBytes)
  return [patch, path]
}

function sizeFrom(random: () => number): number {
  return 1 + Math.floor(random() * 600 * KIB)
}

const VERSION = 'Tus-Resumable: 1.0.0'
const OFFSET_TYPE = 'Content-Type: application/offset+octet-stream'

/** The ways that need no full disk, by name. */
export const ENDINGS: Readonly<Record<string, Ending>> = {
  async done(server, random) {
    const file = new PseudoFile(2, sizeFrom(random))
    const patch = await Patch.begin(server, await created(server, file.size), file, 0)
    assert.is((await patch.finish())?.status, 204)
  },
  async 'done with its creation'(server) {
    const headers = [VERSION, OFFSET_TYPE, 'Upload-Length: 5', 'Content-Length: 5']
    assert.is((await ask(server, 'POST /files', headers, 'hello')).status, 201)
  },
  async 'done in chunks'(server) {
    const headers = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', 'Transfer-Encoding: chunked']
    const path = await created(server, 5)
    assert.is((await ask(server, `PATCH ${path}`, headers, '5\r\nhello\r\n0\r\n\r\n')).status, 204)
  },
  async 'cut by a reset'(server, random) {
    const [patch] = await begun(server, 2 ** 20, sizeFrom(random))
    patch.connection.cut()
  },
  async 'cut by an end'(server, random) {
    const [patch] = await begun(server, 2 ** 20, sizeFrom(random))
    patch.connection.socket.destroy()
  },
  async 'cut before the first byte'(server) {
    const [patch] = await begun(server, 2 ** 20, 0)
    patch.connection.cut()
  },
  async 'cut within a creation'(server) {
    const connection = await RawConnection.open(server.port)
    await connection.head('POST /files', [
      VERSION,
      OFFSET_TYPE,
      'Upload-Length: 5000',
      'Content-Length: 5000',
    ])
    await connection.write(Buffer.alloc(3000))
    connection.cut()
  },
  async 'cut in its headers'(server, random) {
    const connection = await RawConnection.open(server.port)
    const head = `PATCH /files/20261123-${'0'.repeat(32)} HTTP/1.1\r\nHost: lading.test\r\n${VERSION}\r\nUpload-Off`
    await connection.write(head.slice(0, 1 + Math.floor(random() * head.length)))
    if (random() < 0.5) connection.cut()
    else connection.socket.destroy()
  },
  async 'framing broken'(server) {
    const headers = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', 'Transfer-Encoding: chunked']
    const connection = await RawConnection.open(server.port)
    await connection.head(`PATCH ${await created(server, 5000)}`, headers)
    await connection.write('5\r\nhello\r\nno number\r\n')
    await connection.closed()
  },
  async 'type refused'(server) {
    const path = await created(server, ELF.length)
    assert.is((await tus.patch(server, path, 0, ELF)).status, 415)
    assert.is((await tus.head(server, path)).status, 404)
  },
  async 'type refused with its creation'(server) {
    const headers = [VERSION, OFFSET_TYPE, `Upload-Length: ${ELF.length}`, `Content-Length: ${ELF.length}`]
    assert.is((await ask(server, 'POST /files', headers, ELF)).status, 415)
  },
  async 'content type wrong'(server) {
    const path = await created(server, 5)
    assert.is((await tus.patch(server, path, 0, 'hello', { 'Content-Type': 'text/plain' })).status, 415)
  },
  async 'version wrong'(server) {
    const path = await created(server, 5)
    assert.is((await tus.patch(server, path, 0, 'hello', { 'Tus-Resumable': '0.2.2' })).status, 412)
  },
  async 'offset wrong'(server) {
    const path = await created(server, 5000)
    assert.is((await tus.patch(server, path, 7, Buffer.alloc(2000))).status, 409)
  },
  async 'upload unknown'(server) {
    const path = `/files/20261123-${'0'.repeat(32)}`
    assert.is((await tus.patch(server, path, 0, Buffer.alloc(2000))).status, 404)
  },
  async 'body too long'(server) {
    const headers = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', 'Transfer-Encoding: chunked']
    const path = await created(server, 4)
    assert.is((await ask(server, `PATCH ${path}`, headers, '5\r\nhello\r\n0\r\n\r\n')).status, 413)
  },
  async 'declared too long'(server) {
    const path = await created(server, 4)
    assert.is((await tus.patch(server, path, 0, 'hello')).status, 413)
  },
  async stalled(server, random) {
    const [patch] = await begun(server, 2 ** 20, Math.floor(random() * 600 * KIB))
    assert.is(await patch.answered, undefined, 'silence is cut off without an answer')
  },
  async 'taken over'(server, random) {
    const [patch, path] = await begun(server, 2 ** 20, sizeFrom(random))
    assert.is((await tus.head(server, path)).status, 200)
    // The HEAD may have come before the PATCH; then that one stalls.
    assert.ok([423, undefined].includes((await patch.answered)?.status))
    patch.connection.socket.destroy()
  },
  async 'removed under it'(server, random) {
    const [patch, path] = await begun(server, 2 ** 20, sizeFrom(random))
    assert.is((await tus.remove(server, path)).status, 204)
    assert.ok([423, 404, undefined].includes((await patch.answered)?.status))
    patch.connection.socket.destroy()
  },
  async 'removed after it'(server) {
    const path = await created(server, 5)
    assert.is((await tus.patch(server, path, 0, 'hello')).status, 204)
    assert.is((await tus.remove(server, path)).status, 204)
  },
}

/** The ways that need a full disk. */
export const FULL_DISK_ENDINGS: Readonly<Record<string, Ending>> = {
  async 'disk full'(server) {
    const file = new PseudoFile(3, 4 * 2 ** 20)
    const answer = await tus.create(server, file.size)
    if (answer.status === 507) return
    const path = new URL(locationOf(answer)).pathname
    const patch = await Patch.begin(server, path, file, 0)
    assert.is((await patch.finish())?.status, 507)
    assert.is((await tus.remove(server, path)).status, 204)
  },
  async 'disk full with its creation'(server) {
    const bytes = 2 ** 20
    const headers = [VERSION, OFFSET_TYPE, `Upload-Length: ${bytes}`, ...patchHeaders(0, bytes).slice(3)]
    assert.is((await ask(server, 'POST /files', headers, Buffer.alloc(bytes))).status, 507)
  },
  async 'disk full and cut'(server) {
    const file = new PseudoFile(3, 4 * 2 ** 20)
    const answer = await tus.create(server, file.size)
    if (answer.status === 507) return
    const path = new URL(locationOf(answer)).pathname
    const patch = await Patch.begin(server, path, file, 0)
    await patch.send(file.size - 1)
    patch.connection.cut()
    assert.is((await tus.remove(server, path)).status, 204)
  },
}
