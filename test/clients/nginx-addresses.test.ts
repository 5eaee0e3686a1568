// waits

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NO_INPUT, pieces, readerOf, type Success, sendWith } from '../helpers/js-client.js'
import {
  documented,
  type Edit,
  type Nginx,
  PLAIN,
  selfSigned,
  startNginx,
  through,
  withCertificate,
} from '../helpers/nginx.js'
import { kept, stopAll } from '../helpers/nginx-line.js'
import { assertStored, reprDigestOf } from '../helpers/proof.js'
import { askHttps, type Peer } from '../helpers/secure.js'
import { PseudoFile } from '../helpers/sender.js'
import { locationOf, startServer, type TestServer, tus } from '../helpers/server.js'
import { needsProgram } from '../helpers/test.js'

const test = suite('addresses behind nginx')
const withNginx = needsProgram(test, 'nginx', 'openssl')

const MIB = 2 ** 20
const FILE = new PseudoFile(1, 20 * MIB + 7)
const LOCATION = 'location ~ ^/(files|api/uploads|api/events)(/|$) {'

test.after.each(stopAll)

/** Uploads with tus-js-client in chunks, so that Location and HEAD are used, and holds the result against the file. */
async function assertUploads(server: TestServer, url: string): Promise<Success> {
  const sent = await sendWith({ url }, NO_INPUT, { fileReader: readerOf(FILE), chunkSize: 8 * MIB })
  assert.equal(sent.answers, ['POST 201', 'PATCH 204', 'PATCH 204', 'PATCH 204'])
  assert.is(sent.digest, reprDigestOf(FILE))
  await assertStored(server, sent.path, FILE)
  return sent
}

async function behind(server: TestServer, edits: readonly Edit[]): Promise<[Nginx, TestServer]> {
  const nginx = kept(await startNginx(server, [...PLAIN, ...edits]))
  return [nginx, through(server, nginx)]
}

/** The Location of a creation at the outer of two proxies, both nginx; the inner one has these edits. */
async function locationByTwo(flags: readonly string[], edits: readonly Edit[]): Promise<[string, string]> {
  const certificate = selfSigned()
  const server = kept(await startServer(flags))
  const [inner] = await behind(server, edits)
  const outer = kept(await startNginx(inner, withCertificate(certificate)))
  const front = through(server, outer, 'https')
  const peer: Peer = { origin: front.origin, ca: certificate.text }
  const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': '5' }
  const created = await askHttps(peer, { method: 'POST', path: '/files', headers })
  assert.is(created.status, 201)
  return [created.headers.location ?? '', front.url]
}

const APPENDED: Readonly<Record<string, readonly Edit[]>> = {
  'X-Forwarded-Proto and X-Forwarded-Host are lists': [
    ['X-Forwarded-Proto $scheme;', 'X-Forwarded-Proto "$http_x_forwarded_proto, $scheme";'],
    ['X-Forwarded-Host $http_host;', 'X-Forwarded-Host "$http_x_forwarded_host,inner.example";'],
    ['Host $http_host;', 'Host inner.example;'],
  ],
  'Forwarded is a list': [
    [
      'Forwarded "";',
      'Forwarded "for=192.0.2.7;proto=https;host=\\"$http_host\\", for=127.0.0.1;proto=http;host=inner.example";',
    ],
    ['X-Forwarded-Proto $scheme;', 'X-Forwarded-Proto http;'],
  ],
  'X-Forwarded-* stay as the outer one set them': [
    ['X-Forwarded-Proto $scheme;', 'X-Forwarded-Proto $http_x_forwarded_proto;'],
    ['X-Forwarded-Host $http_host;', 'X-Forwarded-Host $http_x_forwarded_host;'],
    ['Host $http_host;', 'Host inner.example;'],
  ],
}

for (const [name, edits] of Object.entries(APPENDED)) {
  // In the order of the configuration the longer piece comes first: "Host $http_host" is in "X-Forwarded-Host …".
  withNginx(`two proxies, and ${name}: Location is the client's side, with --behind-proxy`, async () => {
    const [location, url] = await locationByTwo(['--behind-proxy'], edits)
    assert.ok(location.startsWith(`${url}/`), `${location} is not under ${url}`)
  })

  withNginx(`two proxies, and ${name}: they count for nothing without --behind-proxy`, async () => {
    const [location, url] = await locationByTwo([], edits)
    assert.ok(location.startsWith('http://'), location)
    assert.not.ok(location.startsWith(url), location)
  })
}

withNginx('a sub-path: --base-path has it, and nothing is rewritten', async () => {
  const server = kept(await startServer(['--behind-proxy', '--base-path', '/uploads/files']))
  const [, { url, origin }] = await behind(server, [[LOCATION, `${documented(/`(location [^`]+)`/)} {`]])
  assert.is(url, `${origin}/uploads/files`)
  const { path } = await assertUploads(server, url)
  assert.ok(path.startsWith('/uploads/files/'), path)
})

const STRIPPED: readonly Edit[] = [
  [LOCATION, 'location ^~ /uploads/ {'],
  ['proxy_pass http://lading;', 'proxy_pass http://lading/;'],
]
const PUT_BACK: Edit = [
  'proxy_http_version 1.1;',
  `proxy_http_version 1.1; ${documented(/`(proxy_redirect [^`]+;)`/)}`,
]

withNginx('a stripped prefix is missing in Location, which leads past nginx', async () => {
  const server = kept(await startServer(['--behind-proxy']))
  const [, { url, origin, ...rest }] = await behind(server, STRIPPED)
  const front = { ...rest, origin, url: url.replace('/files', '/uploads/files') }
  const location = locationOf(await tus.create(front, 5))
  assert.ok(location.startsWith(`${origin}/files/`), location)
  assert.is((await tus.head(front, location)).status, 404)
})

withNginx(
  'a stripped prefix is put back by the documented proxy_redirect, also for parallel uploads',
  async () => {
    const server = kept(await startServer(['--behind-proxy']))
    const [, front] = await behind(server, [...STRIPPED, PUT_BACK])
    const url = front.url.replace('/files', '/uploads/files')
    const { path } = await assertUploads(server, url)
    assert.ok(path.startsWith('/uploads/files/'), path)
    const sent = await sendWith({ url }, Buffer.concat([...pieces(FILE)]), { parallelUploads: 4 })
    assert.is(sent.digest, reprDigestOf(FILE))
    await assertStored(server, sent.path, FILE)
  },
)

test.run()
