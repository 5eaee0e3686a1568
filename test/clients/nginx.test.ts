// waits

import { createHash } from 'node:crypto'
import { DefaultHttpStack } from 'tus-js-client'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { pieces, sendWith, type UploadOptions } from '../helpers/js-client.js'
import { selfSigned, startNginx, through, withCertificate } from '../helpers/nginx.js'
import { kept, stopAll } from '../helpers/nginx-line.js'
import { assertStored, reprDigestOf } from '../helpers/proof.js'
import { CuttingProxy } from '../helpers/proxy.js'
import { askHttp2, askHttps, type Heard, type Peer, type Wanted } from '../helpers/secure.js'
import { PseudoFile } from '../helpers/sender.js'
import { startServer, type TestServer } from '../helpers/server.js'
import { needsProgram } from '../helpers/test.js'
import { base64, OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('nginx as server/http/README.md configures it')
const withNginx = needsProgram(test, 'nginx', 'openssl')

const MIB = 2 ** 20
const VERSION = { 'Tus-Resumable': '1.0.0' }

test.after.each(stopAll)

interface Secure extends Peer {
  readonly server: TestServer
  /** Between nginx and the server. */
  readonly wire: CuttingProxy
  /** The creation URL, as clients know it. */
  readonly url: string
}

async function secure(): Promise<Secure> {
  const certificate = selfSigned()
  const server = kept(await startServer(['--behind-proxy']))
  const wire = await CuttingProxy.open(server.port)
  kept({ stop: async () => wire.close() })
  const nginx = kept(await startNginx(wire, withCertificate(certificate)))
  const { url, origin } = through(server, nginx, 'https')
  return { server, wire, url, origin, ca: certificate.text }
}

function locationIn({ status, headers: { location } }: Heard): string {
  if (status !== 201 || location === undefined) throw new Error(`${status} with Location: ${location}`)
  return location
}

function creation(bytes: number): Wanted {
  return { method: 'POST', path: '/files', headers: { ...VERSION, 'Upload-Length': `${bytes}` } }
}

const SETUPS: Readonly<Record<string, UploadOptions>> = {
  'its default options': {},
  'chunks of 8 MiB': { chunkSize: 8 * MIB },
  'data during creation': { uploadDataDuringCreation: true },
  'POST for PATCH': { overridePatchMethod: true },
  'four parallel uploads': { parallelUploads: 4 },
}

for (const [name, options] of Object.entries(SETUPS)) {
  withNginx(`TLS ends at nginx: tus-js-client uploads with ${name}`, async () => {
    const { server, wire, url, ca } = await secure()
    const file = new PseudoFile(1, 40 * MIB + 7)
    const locations: (string | undefined)[] = []
    const sent = await sendWith({ url }, Buffer.concat([...pieces(file)]), {
      httpStack: new DefaultHttpStack({ ca }),
      onAfterResponse: (_, response) => {
        locations.push(response.getHeader('Location'))
      },
      ...options,
    })
    assert.ok(locations[0]?.startsWith(`${url}/`), `${locations[0]} is not under ${url}`)
    assert.is(sent.digest, reprDigestOf(file))
    await assertStored(server, sent.path, file)
    const { parallelUploads: atOnce = 1 } = options
    assert.ok(wire.connections <= atOnce, `${wire.connections} connections for ${atOnce} requests at once`)
  })
}

withNginx('HTTP/2 up to nginx: an upload and its download', async () => {
  const { server, url, ...peer } = await secure()
  const file = new PseudoFile(2, 40 * MIB + 7)
  const location = locationIn(await askHttp2(peer, creation(file.size)))
  assert.ok(location.startsWith(`${url}/`), location)
  const { pathname: path } = new URL(location)
  const headers = { ...VERSION, 'Content-Type': OFFSET_TYPE, 'Upload-Offset': '0' }
  const patched = await askHttp2(peer, { method: 'PATCH', path, headers, body: pieces(file) })
  assert.is(patched.status, 204)
  assert.is(patched.headers['repr-digest'], reprDigestOf(file))
  await assertStored(server, path, file)
  const { status, bytes } = await askHttp2(peer, { method: 'GET', path })
  assert.is(status, 200)
  assert.is(createHash('sha256').update(bytes).digest('hex'), file.sha256())
})

withNginx('HTTP/2 up to nginx: 415 arrives while the body is sent, and nothing stays', async () => {
  const peer = await secure()
  const path = new URL(locationIn(await askHttp2(peer, creation(100 * MIB)))).pathname
  const headers = { ...VERSION, 'Content-Type': OFFSET_TYPE, 'Upload-Offset': '0' }
  let sent = 0
  function* body(): Generator<Buffer> {
    yield Buffer.from('\x7fELF\x02\x01\x01', 'latin1')
    for (; sent < 99 * MIB; sent += MIB) yield Buffer.alloc(MIB)
  }
  const refused = await askHttp2(peer, { method: 'PATCH', path, headers, body: body() })
  assert.is(refused.status, 415)
  assert.match(refused.bytes.toString(), /^type_refused: /)
  assert.ok(sent < 99 * MIB, `${sent} bytes were taken`)
  assert.is((await askHttp2(peer, { method: 'HEAD', path, headers: VERSION })).status, 404)
})

withNginx('what a client says of its own origin does not pass', async () => {
  const { url, ...peer } = await secure()
  const created = await askHttps(peer, {
    method: 'POST',
    path: '/files',
    headers: {
      ...VERSION,
      'Upload-Length': '5',
      Forwarded: 'host=evil.example;proto=http',
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Proto': 'http',
    },
  })
  assert.ok(locationIn(created).startsWith(`${url}/`), created.headers.location)
})

withNginx('Upload-Metadata of 8 KiB passes, and comes back', async () => {
  const peer = await secure()
  const metadata = `filename ${base64(Buffer.alloc(6135, 'a'))}`
  assert.is(metadata.length, 8189)
  const headers = { ...VERSION, 'Upload-Length': '5', 'Upload-Metadata': metadata }
  for (const asked of [askHttps, askHttp2]) {
    const created = await asked(peer, { method: 'POST', path: '/files', headers })
    const { pathname } = new URL(locationIn(created))
    const head = await asked(peer, { method: 'HEAD', path: pathname, headers: VERSION })
    assert.is(head.status, 200)
    assert.ok(head.headers['upload-metadata'] === metadata, 'it is what was sent')
  }
})

withNginx('progress is served, status and probes are not', async () => {
  const peer = await secure()
  const created = await askHttps(peer, creation(5))
  const id = locationIn(created).split('/').at(-1)
  assert.is((await askHttps(peer, { method: 'GET', path: `/api/uploads/${id}` })).status, 200)
  for (const path of ['/api/status', '/healthz', '/readyz', '/filesystem']) {
    const answer = await askHttps(peer, { method: 'GET', path })
    assert.is(answer.status, 404, path)
    assert.is(answer.headers['content-type'], 'text/html', `${path}: nginx answers itself`)
  }
})

test.run()
