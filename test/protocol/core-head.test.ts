import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { idOf, locationOf, send, startServer, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { exchange, OFFSET_TYPE, offsetOf, patchHeaders, unknownId } from '../helpers/wire.js'

const server = serverFor(test, ['--max-size', '1MiB'])

const WRONG_NUMBERS = [
  ...['1e3', '+5', '05x', '-1', '0, 5', '0x10', '5.0', ',', 'five', '١', '\u00a05', '\u00a0'],
  ...['9007199254740992', '99999999999999999999'],
]

test('answers 400 to an Upload-Length that is not plain decimal digits up to 2^53-1', async () => {
  const before = filesIn(server)
  for (const value of WRONG_NUMBERS) {
    const length = Buffer.from(value).toString('latin1')
    const answer = await tus.create(server, 0, { 'Upload-Length': length })
    assert.is(answer.status, 400, `Upload-Length: ${JSON.stringify(value)}`)
  }
  assert.equal(filesIn(server), before)
})

test('answers 400 to an Upload-Offset that is not plain decimal digits up to 2^53-1', async () => {
  const location = locationOf(await tus.create(server, 10))
  for (const value of WRONG_NUMBERS) {
    const offset = Buffer.from(value).toString('latin1')
    const answer = await tus.patch(server, location, 0, 'ab', { 'Upload-Offset': offset })
    assert.is(answer.status, 400, `Upload-Offset: ${JSON.stringify(value)}`)
    assert.match(answer.text, /^header_invalid: /)
  }
  assert.is(await offsetOf(server, location), 0)
})

test('answers 400 to an Upload-Offset or Upload-Length that is doubled', async () => {
  const location = locationOf(await tus.create(server, 10))
  const before = filesIn(server)
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, [...patchHeaders(0, 2), 'Upload-Offset: 0'])
  await raw.write('ab')
  assert.is((await raw.answer()).status, 400)
  await raw.head('POST /files', ['Tus-Resumable: 1.0.0', 'Upload-Length: 0', 'Upload-Length: 5'])
  assert.is((await raw.answer()).status, 400)
  raw.cut()
  assert.is(await offsetOf(server, location), 0)
  assert.equal(filesIn(server), before)
})

test('Tus-Version is a comma list in order of preference', async () => {
  const answer = await send(server.origin, { method: 'OPTIONS', path: '/files' })
  assert.equal(String(answer.headers['tus-version']).split(','), ['1.0.0'])
})

test('Tus-Resumable is on every response, also to OPTIONS', async () => {
  const location = locationOf(await tus.create(server, 4))
  const answers = [
    await tus.create(server, 3),
    await tus.head(server, location),
    await tus.patch(server, location, 0, 'ab'),
    await tus.patch(server, location, 0, 'ab'),
    await send(server.origin, { method: 'PUT', path: location }),
    await send(server.origin, { method: 'PUT', path: '/files' }),
    await tus.create(server, 3, { 'Tus-Resumable': '0.2.2' }),
    await tus.create(server, null, { 'Upload-Length': '1' }),
    await tus.head(server, `/files/${unknownId()}`),
    await tus.head(server, '/files/nothing'),
    await tus.remove(server, location),
  ]
  assert.equal(
    answers.map(({ status }) => status),
    [201, 200, 204, 409, 405, 405, 412, 400, 404, 404, 204],
  )
  for (const { headers, status } of answers) assert.is(headers['tus-resumable'], '1.0.0', String(status))
  for (const path of [
    '/files',
    '/files/',
    location,
    `/files/${unknownId()}`,
    '/files/nothing',
    '/api/status',
  ]) {
    const options = await send(server.origin, { method: 'OPTIONS', path })
    assert.is(options.status, 204)
    assert.is(options.headers['tus-resumable'], '1.0.0', path)
  }
})

test('HEAD without Tus-Resumable is served; others, and another version, get 412, and nothing is done', async () => {
  const location = locationOf(await tus.create(server, 4))
  const before = filesIn(server)
  const body = { 'Upload-Offset': 0, 'Content-Type': OFFSET_TYPE }
  for (const version of [undefined, '', '0.2.2', '1.0', '1.0.0, 1.0.0', '1.0.1']) {
    const own: Record<string, string> = version === undefined ? {} : { 'Tus-Resumable': version }
    const requests = [
      { method: 'POST', path: '/files', headers: { ...own, 'Upload-Length': 3 } },
      { method: 'PATCH', path: location, headers: { ...own, ...body }, body: 'ab' },
      { method: 'HEAD', path: location, headers: own },
      { method: 'DELETE', path: location, headers: own },
    ]
    for (const request of requests) {
      const answer = await send(server.origin, request)
      const isServed = request.method === 'HEAD' && !version
      assert.is(answer.status, isServed ? 200 : 412, `${request.method} with ${version}`)
      assert.is(answer.headers['tus-version'], isServed ? undefined : '1.0.0')
      assert.is(answer.headers['upload-offset'], isServed ? '0' : undefined)
    }
  }
  assert.equal(filesIn(server), before)
  assert.is(await offsetOf(server, location), 0)
})

test('another version gets 412 with Tus-Version at every address, also where no upload is', async () => {
  const paths = ['/files', '/files/', `/files/${unknownId()}`, '/files/nothing', '/files/a/b', '/files/%2e']
  for (const path of paths) {
    for (const method of ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE', 'PUT']) {
      for (const version of ['0.2.2', '1.0.0, 1.0.0', '99']) {
        const answer = await exchange(server, `${method} ${path}`, [`Tus-Resumable: ${version}`])
        assert.is(answer.status, 412, `${method} ${path}`)
        assert.is(answer.headers.get('tus-version'), '1.0.0')
        assert.is(answer.headers.get('tus-resumable'), '1.0.0')
      }
    }
    const options = await exchange(server, `OPTIONS ${path}`, ['Tus-Resumable: 0.2.2'])
    assert.is(options.status, 204, 'there the version is ignored')
  }
  const waiting = [`PATCH /files/${unknownId()}`, 'POST /files/nothing']
  for (const line of waiting) {
    const headers = ['Tus-Resumable: 0.2.2', 'Content-Length: 3', 'Expect: 100-continue']
    const answer = await exchange(server, line, headers)
    assert.equal([answer.status, answer.headers.get('connection')], [412, 'close'])
  }
})

test('Tus-Extension lists what works and nothing else, and Tus-Max-Size is the limit', async () => {
  const { headers } = await send(server.origin, { method: 'OPTIONS', path: '/files' })
  const listed = String(headers['tus-extension']).split(',').sort()
  assert.equal(listed, [
    ...['checksum', 'checksum-trailer', 'concatenation', 'concatenation-unfinished'],
    ...['creation', 'creation-defer-length', 'creation-with-upload', 'expiration', 'termination'],
  ])
  assert.is(headers['tus-max-size'], '1048576')
})

test('HEAD has Upload-Offset from 0 on, Upload-Length and Cache-Control: no-store', async () => {
  const location = locationOf(await tus.create(server, 4))
  const empty = await tus.head(server, location)
  assert.is(empty.status, 200)
  assert.is(empty.headers['upload-offset'], '0')
  assert.is(empty.headers['upload-length'], '4')
  assert.is(empty.headers['cache-control'], 'no-store')
  await tus.patch(server, location, 0, 'abcd')
  const whole = await tus.head(server, location)
  assert.is(whole.headers['upload-offset'], '4')
  assert.is(whole.headers['cache-control'], 'no-store')
})

test('HEAD of an unknown upload is 404, without an offset', async () => {
  for (const path of [`/files/${unknownId()}`, '/files/nothing', '/files/20200102-XYZ']) {
    const answer = await tus.head(server, path)
    assert.is(answer.status, 404, path)
    assert.is(answer.headers['upload-offset'], undefined)
  }
})

test('HEAD of a live upload answers 200 or 423 however many come while a PATCH runs', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 1000))
  await raw.write('a'.repeat(400))
  const answers = await Promise.all(Array.from({ length: 40 }, () => tus.head(server, location)))
  for (const { status } of answers) assert.ok(status === 200 || status === 423, String(status))
  assert.ok(answers.some(({ status }) => status === 200))
  raw.cut()
})

test('HEAD of a live upload answers 200 when the disk is full and PATCH gets 507', async () => {
  const roomy = await startServer()
  const location = `/files/${idOf(locationOf(await tus.create(roomy, 4)))}`
  await roomy.stop()
  const full = await startServer(['--min-free', '1024TiB'], roomy.dataDir)
  try {
    assert.is((await tus.head(full, location)).status, 200)
    const refused = await tus.patch(full, location, 0, 'ab')
    assert.is(refused.status, 507)
    assert.match(refused.text, /^disk_full: /)
    assert.is((await tus.head(full, location)).headers['upload-offset'], '0')
  } finally {
    await full.stop()
  }
})

test.run()
