import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { fileOf, idOf, locationOf, send, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { base64, VERSION } from '../helpers/wire.js'

const server = serverFor(test, ['--max-size', '1MiB'])

const EMPTY_DIGEST = `sha-256=:${createHash('sha256').digest('base64')}:`

test('POST goes to the creation URL; elsewhere it gets 404 or 405', async () => {
  const location = locationOf(await tus.create(server, 3))
  const before = filesIn(server)
  const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': 3 }
  const elsewhere = [
    ...[new URL(location).pathname, '/files/nothing', '/files/a/b', '/', '/file', '/filesx', '/healthz'],
    ...['/api/status', '/api/uploads', '/Files', '//files', '/files//', '/files/%2e', '/files/.'],
  ]
  for (const path of elsewhere) {
    const raw = await RawConnection.open(server.port)
    await raw.head(`POST ${path}`, [VERSION, 'Upload-Length: 3', 'Content-Length: 0'])
    const { status, headers: answered } = await raw.answer()
    assert.ok(status === 404 || status === 405, `${path} got ${status}`)
    if (status === 405) assert.ok(answered.get('allow'))
    raw.cut()
  }
  assert.equal(filesIn(server), before)
  assert.is((await send(server.origin, { method: 'POST', path: '/files/', headers })).status, 201)
})

test('exactly one of Upload-Length and Upload-Defer-Length: 1 is needed, else 400', async () => {
  const before = filesIn(server)
  const both = { 'Upload-Length': '3', 'Upload-Defer-Length': '1' }
  const headers: Record<string, string>[] = [
    {},
    both,
    { 'Upload-Defer-Length': '0' },
    { 'Upload-Defer-Length': '2' },
    { 'Upload-Defer-Length': 'true' },
    { 'Upload-Defer-Length': '', 'Upload-Length': '' },
    { 'Upload-Defer-Length': '1, 1' },
    { ...both, 'Upload-Defer-Length': '0' },
  ]
  for (const wrong of headers) {
    const sent = { 'Tus-Resumable': '1.0.0', ...wrong }
    const answer = await send(server.origin, { method: 'POST', path: '/files', headers: sent })
    assert.is(answer.status, 400, JSON.stringify(wrong))
  }
  assert.equal(filesIn(server), before)
})

test('POST gets 201 with a Location that HEAD knows, and two files in the folder of its day', async () => {
  const before = filesIn(server)
  const answer = await tus.create(server, 3)
  assert.is(answer.status, 201)
  const location = locationOf(answer)
  assert.match(idOf(location), /^\d{8}-[0-9a-f]{32}$/)
  assert.is(idOf(location).slice(0, 8), new Date().toISOString().slice(0, 10).replaceAll('-', ''))
  assert.is(location, `${server.url}/${idOf(location)}`)
  assert.is((await tus.head(server, location)).status, 200)
  const file = fileOf(server, idOf(location))
  const added = filesIn(server).filter((name) => !before.includes(name))
  assert.equal(
    added.map((name) => `${server.dataDir}/${name}`),
    [file, `${file}.json`],
  )
  assert.is(statSync(file).mode & 0o777, 0o640)
})

test('over the maximum size POST gets 413, and nothing is left behind', async () => {
  const before = filesIn(server)
  for (const length of [1_048_577, 2 ** 40, 2 ** 53 - 1]) {
    const answer = await tus.create(server, length)
    assert.is(answer.status, 413)
    assert.match(answer.text, /^size_exceeded: /)
    assert.is(answer.headers.location, undefined)
  }
  assert.is((await tus.create(server, 1_048_576)).status, 201)
  assert.is(filesIn(server).length, before.length + 2)
  await unharmed(server, filesIn(server))
})

const BINARY = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const GOOD_METADATA = [
  `filename ${base64('a b.txt')}`,
  `filename ${base64('größe.txt')},filetype ${base64('text/plain')},is_confidential`,
  `bytes ${base64(BINARY)}`,
  'constructor YQ==,__proto__ Yg==,toString,hasOwnProperty Yw==',
  '__proto__',
  `a ,b YQ==`,
  `k${'!#$%&*+-./:;<=>?@[]^_{|}~'} YQ==`,
  `long ${base64('x'.repeat(6000))}`,
]

test('HEAD gives Upload-Metadata back byte for byte, with binary values and any key', async () => {
  for (const metadata of GOOD_METADATA) {
    const answer = await tus.create(server, 3, { 'Upload-Metadata': metadata })
    assert.is(answer.status, 201, metadata.slice(0, 60))
    const head = await tus.head(server, locationOf(answer))
    assert.is(head.headers['upload-metadata'], metadata)
  }
})

test('the record has the metadata as sent, and its filename and type decoded', async () => {
  const metadata = `filename ${base64('größe.txt')},filetype ${base64('text/plain')},bytes ${base64(BINARY)}`
  const location = locationOf(await tus.create(server, 3, { 'Upload-Metadata': metadata }))
  const api = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
  const record = JSON.parse(api.text)
  assert.is(record.metadata, metadata)
  assert.is(record.filename, 'größe.txt')
  assert.is(record.declaredType, 'text/plain')
})

test('an upload of length 0 is finished at once', async () => {
  const metadata = `filename ${base64('empty.txt')}`
  const answer = await tus.create(server, 0, { 'Upload-Metadata': metadata })
  assert.is(answer.status, 201)
  assert.is(answer.headers['upload-expires'], undefined)
  const location = locationOf(answer)
  const head = await tus.head(server, location)
  assert.is(head.headers['upload-offset'], '0')
  assert.is(head.headers['upload-length'], '0')
  assert.is(head.headers['repr-digest'], EMPTY_DIGEST)
  const download = await send(server.origin, { method: 'GET', path: location })
  assert.is(download.status, 200)
  assert.is(download.bytes.length, 0)
  const sidecar = JSON.parse(readFileSync(`${fileOf(server, idOf(location))}.json`, 'utf8'))
  assert.is(sidecar.sha256, createHash('sha256').digest('hex'))
  const again = await tus.patch(server, location, 0, '')
  assert.is(again.status, 204)
})

test.run()
