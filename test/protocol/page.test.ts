import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { send, type TestServer } from '../helpers/server.js'
import { startServer } from '../helpers/servers.js'

const test = suite<{ server: TestServer }>('the page over HTTP')

test.before(async (context) => {
  context.server = await startServer(['--base-path', '/some/place'])
})

test.after(async ({ server }) => {
  await server?.stop('SIGKILL')
})

const get = (server: TestServer, path: string, headers: Record<string, string> = {}) =>
  send(server.origin, { method: 'GET', path, headers })

test('"Strict CSP without inline script": every document has the policy, and no script of its own', async ({
  server,
}) => {
  for (const path of ['/', '/drop/lg_abc.def', '/?query=1']) {
    const { status, headers, text } = await get(server, path)
    assert.is(status, 200, path)
    assert.match(
      String(headers['content-security-policy']),
      /default-src 'none'; script-src 'self'; style-src 'self'/,
    )
    assert.not.match(String(headers['content-security-policy']), /unsafe/)
    assert.is(headers['x-content-type-options'], 'nosniff')
    assert.is(headers['referrer-policy'], 'no-referrer')
    assert.not.match(text, /<script>|<style|\sstyle=|\son\w+=|https?:\/\/(?!www\.w3\.org)/)
    assert.ok(text.includes('/some/place'), 'it knows the base path')
  }
})

test('a drop page says whether the server has made its token', async ({ server }) => {
  const { text } = await send(server.origin, { method: 'POST', path: '/api/grants', body: '{}' })
  const { token } = JSON.parse(text)
  const own = await get(server, `/drop/${token}`)
  const forged = await get(server, `/drop/${token.replace('lg_', 'lg_x')}`)
  assert.equal([own.status, forged.status], [200, 200])
  assert.not.match(own.text, 'isGrant')
  assert.match(forged.text, '&quot;isGrant&quot;:false')
  assert.is.not(own.headers.etag, forged.headers.etag)
  const head = await send(server.origin, { method: 'HEAD', path: `/drop/${token}` })
  assert.is(head.headers.etag, own.headers.etag)
})

test('its files are compressed, never change under their name, and answer 304 to whom has them', async ({
  server,
}) => {
  const { text, headers } = await get(server, '/')
  assert.is((await get(server, '/', { 'If-None-Match': String(headers.etag) })).status, 304)
  const names = [...text.matchAll(/"(page\/[^"]+)"/g)].map(([, name = '']) => name)
  assert.is(names.length, 2)
  for (const name of names) {
    const plain = await get(server, `/${name}`)
    const zipped = await get(server, `/${name}`, { 'Accept-Encoding': 'gzip, deflate' })
    const best = await get(server, `/${name}`, { 'Accept-Encoding': 'gzip, br;q=0.9' })
    assert.is(plain.headers['content-encoding'], undefined)
    assert.is(zipped.headers['content-encoding'], 'gzip')
    assert.is(best.headers['content-encoding'], 'br')
    assert.ok(best.bytes.length < plain.bytes.length / 2)
    assert.match(String(plain.headers['cache-control']), /immutable/)
    const known = await get(server, `/${name}`, { 'If-None-Match': String(plain.headers.etag) })
    assert.is(known.status, 304)
    assert.is(known.bytes.length, 0)
  }
})

test('answers HEAD as GET, 405 to other methods, and 404 beside its files', async ({ server }) => {
  const head = await send(server.origin, { method: 'HEAD', path: '/' })
  assert.is(head.headers['content-length'], String((await get(server, '/')).bytes.length))
  assert.is((await send(server.origin, { method: 'POST', path: '/' })).status, 405)
  for (const path of [
    '/page/',
    '/page/index.html',
    '/page/../package.json',
    '/page/%2e%2e/main.js',
    '/drop/',
    '/drop/a/b',
  ])
    assert.is((await get(server, path)).status, 404, path)
})

test('a grant answers with `dropUrl`; with --no-page there is none, and no page', async ({ server }) => {
  const ask = (to: TestServer) => send(to.origin, { method: 'POST', path: '/api/grants', body: '{}' })
  const { token, dropUrl } = JSON.parse((await ask(server)).text)
  assert.is(dropUrl, `${server.origin}/drop/${token}`)
  const without = await startServer(['--no-page'])
  assert.not.ok('dropUrl' in JSON.parse((await ask(without)).text))
  for (const path of ['/', `/drop/${token}`]) assert.is((await get(without, path)).status, 404)
  await without.stop('SIGKILL')
})

test.run()
