import { createHash } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, createServer } from 'node:http'
import { createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'
import { DefaultHttpStack, DetailedError } from 'tus-js-client'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { uploadFile } from '../../server/commands/upload/file-upload.js'
import { ResumeStore } from '../../server/commands/upload/resume-store.js'
import { isRetried, reasonOf, retryAfterMs } from '../../server/commands/upload/retries.js'
import { impatient } from '../../server/commands/upload/send.js'
import { runCommand } from '../helpers/command.js'
import { temporaryFolder } from '../helpers/server.js'
import { bounded } from '../helpers/test.js'

interface Place {
  readonly folder: string
  readonly port: number
  readonly servers: Server[]
}

const test = suite<Place>('the files of lading upload')

test.before(async (context) => {
  const server = tusServer()
  Object.assign(context, { folder: temporaryFolder(), port: await portOf(server), servers: [server] })
})

test.after(({ servers }) => {
  for (const server of servers) server.close()
})

const TOGETHER = 12

/** As much of tus as an upload needs that is never interrupted. At `/together` so many are created at once, or none. */
function tusServer(): Server {
  const waiting: (() => void)[] = []
  const uploads: { length: number; bytes: Buffer }[] = []
  return createServer(async (request, response) => {
    response.setHeader('Tus-Resumable', '1.0.0')
    if (request.method === 'POST') {
      const length = Number(request.headers['upload-length'])
      if (request.url === '/together') {
        await new Promise<void>((resolve) => {
          if (waiting.push(resolve) === TOGETHER) for (const each of waiting) each()
        })
      }
      if (request.url === '/lossy') return response.writeHead(201, { Location: '/files/lost' }).end()
      response.setHeader('Location', `/files/${uploads.push({ length, bytes: Buffer.alloc(0) }) - 1}`)
      return response.writeHead(201).end()
    }
    const upload = uploads[Number(request.url?.split('/').at(-1))]
    if (!upload) return response.writeHead(404).end()
    for await (const piece of request) upload.bytes = Buffer.concat([upload.bytes, piece])
    const digest = createHash('sha256').update(upload.bytes).digest('base64')
    response.setHeader('Upload-Offset', upload.bytes.length)
    response.setHeader('Upload-Length', upload.length)
    return response
      .writeHead(request.method === 'HEAD' ? 200 : 204, { 'Repr-Digest': `sha-256=:${digest}:` })
      .end()
  })
}

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

/** What the files of one command have in common. */
function toolsFor({ folder }: Place, endpoint: string) {
  const store = ResumeStore.open(join(folder, 'state', 'uploads.db'), (error) =>
    assert.unreachable(String(error)),
  )
  const stack = impatient(new DefaultHttpStack({ agent: new Agent() }))
  return { endpoint, headers: {}, stack, store, signal: new AbortController().signal }
}

test('a link to a file is an upload of its own: both names are on the server', async (place) => {
  const { folder, port } = place
  const [file, link] = [join(folder, 'file'), join(folder, 'link')]
  writeFileSync(file, 'bytes')
  symlinkSync(file, link)
  const tools = toolsFor(place, `http://127.0.0.1:${port}/files`)
  const first = await uploadFile({ path: file, name: 'folder/file' }, tools, () => {})
  const second = await uploadFile({ path: link, name: 'folder/link' }, tools, () => {})
  assert.is.not(first.url, second.url)
  // The same name again is the same upload: the command goes on where it stopped.
  assert.equal(await uploadFile({ path: link, name: 'folder/link' }, tools, () => {}), second)
  tools.store.close()
})

test('another query of the creation URL is another place, and another grant is the same', async (place) => {
  const path = join(place.folder, 'query')
  writeFileSync(path, 'bytes')
  const urls: string[] = []
  for (const query of ['?to=a&grant=first', '?to=b&grant=first', '?to=a&grant=second']) {
    const tools = toolsFor(place, `http://127.0.0.1:${place.port}/files${query}`)
    urls.push((await uploadFile({ path, name: 'query' }, tools, () => {})).url)
    tools.store.close()
  }
  assert.is.not(urls[0], urls[1])
  assert.is(urls[0], urls[2])
})

test('many files at once are no reason for a warning', async ({ folder, port }) => {
  const many = join(folder, 'many')
  mkdirSync(many)
  for (let count = 0; count < TOGETHER; count += 1) writeFileSync(join(many, `${count}`), `${count}`)
  const args = ['upload', many, '--to', `http://127.0.0.1:${port}/together`, '--parallel', `${TOGETHER}`]
  const { code, stderr } = await runCommand(args, { XDG_STATE_HOME: folder })
  assert.is(code, 0, stderr)
  assert.match(stderr, /^12 files uploaded/m)
  assert.not.match(stderr, /Warning/)
})

test('an upload that the server loses each time fails, and it is said what the server answered', async (place) => {
  const path = join(place.folder, 'lost')
  writeFileSync(path, 'bytes')
  const tools = toolsFor(place, `http://127.0.0.1:${place.port}/lossy`)
  const reason = await uploadFile({ path, name: 'lost' }, tools, () => {}).then(() => 'sent', reasonOf)
  assert.match(reason, /^the server answered 404/)
  tools.store.close()
})

test('an answer that is cut off is an error, and nothing waits for its end', async ({ servers }) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.end('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\nan answer of')
  })
  servers.push(server)
  const url = `http://127.0.0.1:${await portOf(server)}/files`
  const sent = impatient(new DefaultHttpStack({ agent: new Agent() }))
    .createRequest('GET', url)
    .send(null)
  const reason = await bounded(
    30_000,
    sent.then(String, (error: Error) => error.message),
    'the error',
  )
  assert.match(reason, /cut off/)
})

test('a Retry-After counts for the try that follows it, and not for later ones', () => {
  const request = impatient(new DefaultHttpStack({})).createRequest('PATCH', 'http://127.0.0.1/files/1')
  const failed = (retryAfter: string | undefined) =>
    Object.assign(new DetailedError('failed'), {
      originalRequest: request,
      originalResponse: {
        getStatus: () => 503,
        getHeader: () => retryAfter,
        getBody: () => '',
        getUnderlyingObject: () => undefined,
      },
    })
  const options = { retryDelays: [500] }
  isRetried(failed('300'), 0, options)
  assert.is(options.retryDelays[0], 300_000)
  isRetried(failed(undefined), 0, options)
  assert.ok((options.retryDelays[0] ?? 0) < 1_000, `${options.retryDelays}`)
})

test('Retry-After is seconds or a date, and five minutes at most', () => {
  const nowMs = Date.parse('2026-11-26T10:00:00.000Z')
  assert.is(retryAfterMs('7', nowMs), 7_000)
  assert.is(retryAfterMs('Thu, 26 Nov 2026 10:00:10 GMT', nowMs), 10_000)
  assert.equal(
    ['999999999', 'Thu, 26 Nov 2099 10:00:00 GMT'].map((header) => retryAfterMs(header, nowMs)),
    [300_000, 300_000],
  )
  assert.equal(
    ['Thu, 26 Nov 2020 10:00:00 GMT', 'soon', '-1', undefined].map((header) => retryAfterMs(header, nowMs)),
    [0, 0, 0, 0],
  )
})

test.run()
