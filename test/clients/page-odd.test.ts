import { once } from 'node:events'
import { createServer, request as httpRequest, type Server } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PagePlace } from '../helpers/page-place.js'
import { eventually, locationOf, send, tus } from '../helpers/server.js'
import { base64 } from '../helpers/wire.js'

const test = suite<{ place: PagePlace }>('the page where things are odd')

const WITHIN_MS = 60_000
/** Shown without isolation, it would turn what follows it around. */
const TURNED = 'invoice \u202efdp.txt'

test.before(async (context) => {
  context.place = await PagePlace.open()
})

test.after(async ({ place }) => {
  await place?.close()
})

/** Makes an upload with this name; finished where it has a body. */
async function stored({ server }: PagePlace, name: string, body = ''): Promise<void> {
  const metadata = { 'Upload-Metadata': `filename ${base64(name)}` }
  const created = await tus.create(server, body.length || 1, metadata)
  assert.is(created.status, 201, created.text)
  if (body !== '') assert.is((await tus.patch(server, locationOf(created), 0, body)).status, 204)
}

/** A proxy that shows the server below a path, as nginx does with `proxy_redirect`. */
async function belowPath(port: number, prefix: string): Promise<{ proxy: Server; address: string }> {
  const proxy = createServer((request, response) => {
    const { method = 'GET', url = '', headers } = request
    if (!url.startsWith(`${prefix}/`)) return void response.writeHead(404).end()
    const onward = httpRequest({ port, method, path: url.slice(prefix.length), headers }, (answer) => {
      const { location, ...rest } = answer.headers
      const moved = location?.replace(/^(https?:\/\/[^/]+)\/files\//, `$1${prefix}/files/`)
      response.writeHead(answer.statusCode ?? 500, moved === undefined ? rest : { ...rest, location: moved })
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  const own = typeof address === 'object' && address !== null ? address.port : 0
  return { proxy, address: `http://127.0.0.1:${own}${prefix}/` }
}

test('a file that is pasted is sent, and a name with marks of direction turns nothing but itself around', async ({
  place,
}) => {
  const context = await place.profile()
  const tab = await place.tab(context)
  await tab.page.getByText('Nothing here yet').waitFor()
  await tab.page.evaluate(`(() => {
    const clipboardData = new DataTransfer()
    clipboardData.items.add(new File(['pasted'], ${JSON.stringify(TURNED)}, { type: 'text/plain' }))
    const target = document.querySelector('.uppy-Dashboard-inner')
    target.dispatchEvent(new ClipboardEvent('paste', { bubbles: true, cancelable: true, clipboardData }))
  })()`)
  await tab.verified(1)
  await tab.page.locator('#rows tr').first().waitFor()
  await tab.page.getByRole('button', { name: /^Delete / }).click()
  await tab.page.locator('#confirm-title').waitFor()
  const isolated = await tab.page.evaluate(`(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const found = []
    while (walker.nextNode()) if (walker.currentNode.data.includes('\\u202e')) found.push(walker.currentNode)
    return found
      .map(({ data, parentElement }) => [parentElement.id, data, getComputedStyle(parentElement).unicodeBidi])
      .filter(([id]) => id !== 'announcer')
  })()`)
  const own = ['', TURNED, 'isolate']
  assert.equal(isolated, [own, own, own], 'in the list of what was sent, in the uploads and in the question')
  assert.equal(tab.console, [])
  await context.close()
})

test('a deletion while a filter is on leaves the filter on, and a list of many pages is never counted unasked', async ({
  place,
}) => {
  for (let number = 1; number <= 30; number++) await stored(place, `many ${number}.bin`)
  await stored(place, 'finished one.txt', 'a finished file')
  await stored(place, 'finished two.txt', 'another finished file')
  const context = await place.profile()
  const tab = await place.tab(context)
  const { page } = tab
  const asked: string[] = []
  page.on('request', (request) => {
    if (request.url().includes('/api/uploads?')) asked.push(new URL(request.url()).search)
  })
  const names = async (count: number): Promise<string[]> =>
    eventually(WITHIN_MS, `${count} rows`, async () => {
      const listed = await tab.listed()
      return listed.length === count ? listed.map(([name]) => name) : undefined
    })
  await names(25)
  await page.getByRole('button', { name: 'Older', exact: true }).click()
  await names(8)
  await page.locator('#where', { hasText: 'Page 2' }).waitFor()
  assert.ok(asked.some((query) => query.includes('cursor=')))
  await page.getByLabel('State').selectOption('finished')
  await page.getByLabel('Search').fill('finished')
  assert.equal(await names(2), ['finished two.txt', 'finished one.txt'])
  assert.not.ok(
    asked.some((query) => query.includes('total=')),
    'nothing was counted',
  )
  await page.getByRole('button', { name: 'Count all' }).click()
  await page.getByRole('button', { name: '2 uploads' }).waitFor()
  await page.getByRole('button', { name: 'Delete finished two.txt' }).click()
  await page.locator('#confirm-yes').click()
  assert.equal(await names(1), ['finished one.txt'])
  assert.is(await page.getByLabel('Search').inputValue(), 'finished')
  await page.getByRole('button', { name: 'Count all' }).waitFor()
  await page.getByRole('button', { name: 'Delete finished one.txt' }).click()
  await page.locator('#confirm-yes').click()
  await page.getByText('No upload matches').waitFor()
  assert.equal(tab.console, [])
  await context.close()
})

test('the page works below a path that a proxy puts before it, with links that lead there', async ({
  place,
}) => {
  const { proxy, address } = await belowPath(place.server.port, '/below/it')
  const context = await place.profile()
  const tab = await place.tab(context, address)
  const { page } = tab
  await tab.drop(['below.txt'], 1_000)
  await tab.verified(1)
  await page.getByRole('button', { name: 'Make a link to below.txt' }).click()
  await page.locator('#link-form button[type=submit]').click()
  const link = await page.locator('#link-result input').inputValue()
  assert.ok(link.startsWith(`${address}files/`), link)
  assert.is((await send(new URL(address).origin, { method: 'GET', path: link })).bytes.length, 1_000)
  await page.locator('#link').getByRole('button', { name: 'Close' }).click()
  await page.getByRole('button', { name: 'New drop link' }).click()
  await page.locator('#drop-link-form button[type=submit]').click()
  const dropUrl = await page.getByLabel('Drop link', { exact: true }).inputValue()
  assert.ok(dropUrl.startsWith(`${address}drop/`), dropUrl)
  const visitor = await place.tab(context, dropUrl)
  await visitor.page.getByText(/^each up to/).waitFor()
  await visitor.drop(['dropped.txt'], 1_000)
  await visitor.verified(1)
  assert.equal([...tab.console, ...visitor.console], [])
  await context.close()
  proxy.close()
  proxy.closeAllConnections()
})

test('of a drop link that the server has not made, no text is shown', async ({ place }) => {
  const { text } = await send(place.server.origin, { method: 'POST', path: '/api/grants', body: '{}' })
  const { token } = JSON.parse(text)
  const [, payload = '', signature = ''] = /^lg_([^.]+)\.(.+)$/.exec(token) ?? []
  const grant = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const lie = { ...grant, accept: ['call/0800-fraud'] }
  const forged = `lg_${Buffer.from(JSON.stringify(lie)).toString('base64url')}.${signature}`
  const context = await place.profile()
  const tab = await place.tab(context, `${place.address}drop/${forged}`)
  await tab.page.getByText('This is not a drop link.').waitFor()
  assert.not.match(await tab.page.locator('body').innerText(), 'fraud')
  const real = await place.tab(context, `${place.address}drop/${token}`)
  await real.page.getByText(/^each up to/).waitFor()
  await context.close()
})

test.run()
