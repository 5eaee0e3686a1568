import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp, withApp } from '../helpers/app-place.js'
import { askOf } from '../helpers/routes.js'
import { eventually, idOf, locationOf, temporaryFolder } from '../helpers/server.js'
import { ADMIN_KEY, AS_ADMIN, as, SECRET } from '../helpers/tokens.js'
import { OFFSET_TYPE, unknownId } from '../helpers/wire.js'

const test = suite('links')

const BODY = { 'Content-Type': OFFSET_TYPE }

let app: TestApp

const ask = askOf(() => app.origin)

test.before(async () => {
  app = await startApp({ adminKey: ADMIN_KEY, authSecret: SECRET })
})
test.after(() => app.close())

/** A finished upload of ann's, and a link to it. */
async function linked(
  expiresIn = 60,
): Promise<{ id: string; url: string; owner: { Authorization: string } }> {
  const owner = await as('ann')
  const id = idOf(locationOf(await ask('POST', '/files', { 'Upload-Length': 5, ...BODY, ...owner }, 'hello')))
  const answer = await ask('POST', `/api/uploads/${id}/links`, owner, JSON.stringify({ expiresIn }))
  assert.is(answer.status, 201, answer.text)
  return { id, url: JSON.parse(answer.text).url, owner }
}

test('"a signed, expiring download address; works without a token, dies with the upload"', async () => {
  const { id, url, owner } = await linked()
  const { pathname, search } = new URL(url)
  const path = pathname + search
  assert.is((await ask('GET', path, {})).text, 'hello')
  assert.is((await ask('HEAD', path, {})).headers['content-length'], '5')
  const byOverride = { 'X-HTTP-Method-Override': 'GET' }
  for (const { headers } of [
    await ask('GET', path, {}),
    await ask('HEAD', path, {}),
    await ask('HEAD', path, byOverride),
    await ask('GET', `/files/${id}`, owner),
  ])
    assert.is(headers['cache-control'], 'no-store', 'a cache would show it when the link is over')
  for (const method of ['PATCH', 'DELETE', 'POST'])
    assert.is((await ask(method, path, {})).status, 401, method)
  assert.is((await ask('GET', `/api/uploads/${id}${search}`, {})).status, 401)
  assert.is((await ask('DELETE', `/files/${id}`, owner)).status, 204)
  assert.is((await ask('GET', path, {})).status, 404)
})

test('a link that was changed or is over opens nothing', async () => {
  const [one, two] = [await linked(), await linked(1)]
  const link = new URL(one.url).searchParams.get('link') ?? ''
  const [expires = '', finished = '', signature = ''] = link.split('.')
  const other = new URL(two.url).searchParams.get('link')
  for (const wrong of [
    `${Number(expires) + 1}.${finished}.${signature}`,
    `${expires}.${Number(finished) + 1}.${signature}`,
    `${expires}.${finished}.${signature}x`,
    `${expires}.${finished}.`,
    `${finished}.${expires}.${signature}`,
    other,
    '',
  ])
    assert.is((await ask('GET', `/files/${one.id}?link=${wrong}`, {})).status, 401, `${wrong}`)
  const { pathname, search } = new URL(two.url)
  await eventually(30_000, 'the end of the link', async () => {
    return (await ask('GET', pathname + search, {})).status === 401 || undefined
  })
})

test('"dies with the upload": a link does not open a later upload that a hook gives the same id', async () => {
  const path = join(temporaryFolder(), 'rules.mjs')
  writeFileSync(path, "export default { preCreate: () => ({ id: 'same' }) }")
  const settings = { adminKey: ADMIN_KEY, authSecret: SECRET, hooksModule: path }
  await withApp(settings, async ({ origin }) => {
    const askThere = askOf(() => origin)
    const [ann, bob] = [await as('ann'), await as('bob')]
    const createAs = async (owner: object, text: string): Promise<string> =>
      idOf(locationOf(await askThere('POST', '/files', { 'Upload-Length': 5, ...BODY, ...owner }, text)))
    const id = await createAs(ann, 'hello')
    const { url } = JSON.parse((await askThere('POST', `/api/uploads/${id}/links`, ann)).text)
    const link = `/files/${id}${new URL(url).search}`
    assert.is((await askThere('GET', link, {})).text, 'hello')
    assert.is((await askThere('DELETE', `/files/${id}`, ann)).status, 204)
    assert.is(await createAs(bob, 'other'), id)
    for (const method of ['GET', 'HEAD']) assert.is((await askThere(method, link, {})).status, 404, method)
  })
})

test('a link is made by the owner or the admin, and for a finished upload', async () => {
  const { id, owner } = await linked()
  const path = `/api/uploads/${id}/links`
  assert.is((await ask('POST', path, AS_ADMIN)).status, 201)
  assert.is((await ask('POST', path, await as('bob'))).status, 404)
  assert.is((await ask('POST', path, {})).status, 401)
  assert.is((await ask('POST', `/api/uploads/${unknownId()}/links`, owner)).status, 404)
  const open = idOf(locationOf(await ask('POST', '/files', { 'Upload-Length': 5, ...owner })))
  assert.match((await ask('POST', `/api/uploads/${open}/links`, owner)).text, /^upload_unfinished: /)
  assert.is((await ask('POST', path, owner, '{"expiresIn":0}')).status, 400)
  assert.is((await ask('GET', path, owner)).status, 405)
})

test.run()
