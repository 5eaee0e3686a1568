import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withApp } from '../helpers/app-place.js'
import { askOf } from '../helpers/routes.js'
import { locationOf, temporaryFolder } from '../helpers/server.js'
import { as, SECRET } from '../helpers/tokens.js'
import { uploaded } from '../helpers/uploaded.js'
import { base64 } from '../helpers/wire.js'

const test = suite('downloads: access and types')

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="1" height="1"/></svg>'
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), Buffer.alloc(40)])
const SHOWN: readonly (readonly [
  what: string,
  bytes: string | Uint8Array,
  declared: string,
  disposition: string,
])[] = [
  ['a.txt', 'a text\n'.repeat(9), 'text/plain; charset=utf-8', 'inline'],
  ['a.png', PNG, 'image/png', 'inline'],
  ['a.svg', SVG, 'image/svg+xml', 'attachment'],
  ['a.html', '<!doctype html><p>a</p>', 'text/html', 'attachment'],
  ['a.xml', '<?xml version="1.0"?><a/>', 'application/xml', 'attachment'],
  ['a.pdf', '%PDF-1.7\n%âãÏÓ\n'.repeat(3), 'application/pdf', 'attachment'],
  ['a.bin', Buffer.alloc(9), 'application/octet-stream', 'attachment'],
  ['svg.png', SVG, 'image/png', 'attachment'],
  ['html.txt', '<!doctype html><p>a</p>', 'text/plain', 'attachment'],
]

test('"inline only for types that cannot run script, everything else attachment"', async () => {
  const accept = ['*/*', 'image/svg+xml', 'text/html']
  await withApp({ accept }, async ({ origin }) => {
    const ask = askOf(() => origin)
    for (const [name, bytes, declared, disposition] of SHOWN) {
      const metadata = `filename ${base64(name)},filetype ${base64(declared)}`
      const { headers } = await ask('GET', await uploaded(ask, { bytes, metadata }), {})
      assert.is(
        String(headers['content-disposition']).split(';')[0],
        disposition,
        `${name}: ${headers['content-type']}`,
      )
      assert.is(headers['x-content-type-options'], 'nosniff')
      assert.match(String(headers['content-security-policy']), /^sandbox; default-src 'none'/)
    }
  })
})

test('private files keep Cache-Control: no-store with ranges, and a link works with ranges and HEAD', async () => {
  await withApp({ authSecret: SECRET }, async ({ origin }) => {
    const ask = askOf(() => origin)
    const ann = await as('ann')
    const own = await uploaded(ask, { bytes: 'hello', headers: ann })
    const made = await ask('POST', own.replace('/files/', '/api/uploads/').concat('/links'), ann)
    const { pathname, search } = new URL(JSON.parse(made.text).url)
    for (const [asked, headers] of [
      [own, ann],
      [pathname + search, {}],
    ] as const) {
      for (const more of [{}, { Range: 'bytes=1-2' }, { 'If-None-Match': '*' }]) {
        const answer = await ask('GET', asked, { ...headers, ...more })
        assert.is(answer.headers['cache-control'], 'no-store')
        assert.is(answer.text, 'Range' in more ? 'el' : 'If-None-Match' in more ? '' : 'hello')
      }
      assert.is(
        (await ask('HEAD', asked, { ...headers, 'If-None-Match': '*' })).headers['cache-control'],
        'no-store',
      )
    }
    assert.is((await ask('GET', own, { Range: 'bytes=0-1' })).status, 401)
  })
})

test('pre-access is asked about each range and each condition', async () => {
  const hooks = join(temporaryFolder(), 'rules.mjs')
  writeFileSync(
    hooks,
    "export default { preAccess: ({ request }) => request.headers['x-key'] ? {} : { refuse: true } }",
  )
  await withApp({ hooksModule: hooks }, async ({ origin }) => {
    const ask = askOf(() => origin)
    const own = await uploaded(ask, { bytes: 'hello' })
    for (const headers of [{}, { Range: 'bytes=0-1' }, { Range: 'bytes=9-' }, { 'If-None-Match': '*' }]) {
      for (const method of ['GET', 'HEAD']) assert.is((await ask(method, own, headers)).status, 403, method)
    }
    assert.is((await ask('GET', own, { 'X-Key': 'a', Range: 'bytes=1-2' })).text, 'el')
  })
})

test('"--disable-download as in tusd": GET gets 405 downloads_disabled, HEAD stays, no link is made', async () => {
  await withApp({ disableDownload: true }, async ({ origin }) => {
    const ask = askOf(() => origin)
    const own = await uploaded(ask, { bytes: 'hello' })
    for (const headers of [{}, { Range: 'bytes=0-1' }]) {
      const refused = await ask('GET', own, headers)
      assert.is(refused.status, 405)
      assert.is(refused.headers.allow, 'HEAD, PATCH, DELETE, OPTIONS')
      assert.match(refused.text, /^downloads_disabled: /)
    }
    assert.is((await ask('HEAD', own, { 'X-HTTP-Method-Override': 'GET' })).status, 405)
    const head = await ask('HEAD', own, {})
    assert.is(head.status, 200)
    assert.is(head.headers['upload-offset'], '5')
    assert.ok(head.headers['repr-digest'])
    assert.is(head.headers['accept-ranges'], undefined)
    const link = await ask('POST', own.replace('/files/', '/api/uploads/').concat('/links'), {})
    assert.is(link.status, 405)
    assert.match(link.text, /^downloads_disabled: /)
  })
})

test('"Unfinished → 404", also for a range', async () => {
  await withApp({}, async ({ origin }) => {
    const ask = askOf(() => origin)
    const { pathname } = new URL(locationOf(await ask('POST', '/files', { 'Upload-Length': 5 })))
    for (const headers of [{}, { Range: 'bytes=0-1' }, { 'If-None-Match': '*' }])
      assert.match((await ask('GET', pathname, headers)).text, /^upload_unfinished: /)
  })
})

test.run()
