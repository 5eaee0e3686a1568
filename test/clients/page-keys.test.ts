import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PagePlace } from '../helpers/page-place.js'
import { locationOf, send, tus } from '../helpers/server.js'
import { ADMIN_FLAGS, ADMIN_KEY, as, SECRET_FLAGS } from '../helpers/tokens.js'

const test = suite<{ place: PagePlace }>('the page in Chromium, with keys')

test.before(async (context) => {
  context.place = await PagePlace.open([...ADMIN_FLAGS, ...SECRET_FLAGS])
})

test.after(async ({ place }) => {
  await place?.close()
})

/** Makes a finished upload of `sub`. */
async function stored(place: PagePlace, sub: string, name: string): Promise<void> {
  const metadata = {
    'Upload-Metadata': `filename ${Buffer.from(name).toString('base64')}`,
    ...(await as(sub)),
  }
  const created = await tus.create(place.server, 5, metadata)
  const answer = await tus.patch(place.server, locationOf(created), 0, 'hello', await as(sub))
  assert.is(answer.status, 204, answer.text)
}

test('asks for the admin key, keeps it in this tab alone, and makes links that need none', async ({
  place,
}) => {
  await stored(place, 'ann', 'of ann.txt')
  await stored(place, 'bob', 'of bob.txt')
  const context = await place.profile()
  const { page } = await place.tab(context)
  const field = page.getByLabel('Key or token')
  await field.fill('not-the-admin-key-at-all')
  await page.getByRole('button', { name: 'Use it in this tab' }).click()
  await page.getByText('This key or token is not valid here.').waitFor()
  assert.is(await page.locator('#rows tr').count(), 0)
  await field.fill(ADMIN_KEY)
  await page.getByRole('button', { name: 'Use it in this tab' }).click()
  await page.getByText('of bob.txt', { exact: true }).waitFor()
  await page.reload()
  await page.getByText('of ann.txt', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Make a link to of ann.txt' }).click()
  await page.getByRole('button', { name: 'Make the link' }).first().click()
  const url = await page.getByRole('textbox', { name: 'Link to of ann.txt' }).inputValue()
  assert.is((await send(place.server.origin, { method: 'GET', path: new URL(url).pathname })).status, 401)
  assert.is((await send(url, { method: 'GET', path: url })).text, 'hello')
  await page.keyboard.press('Escape')
  const other = await place.tab(context)
  await other.page.getByLabel('Key or token').waitFor()
  assert.is(await other.page.locator('#rows tr').count(), 0, 'another tab has no key')
  await page.getByRole('button', { name: 'Forget the key' }).click()
  await page.getByLabel('Key or token').waitFor()
  assert.is(await page.locator('#rows tr').count(), 0)
  await context.close()
})

test('says that uploads need a token, and shows its owner their own uploads', async ({ place }) => {
  await stored(place, 'carl', 'of carl.txt')
  await stored(place, 'dora', 'of dora.txt')
  const context = await place.profile()
  const tab = await place.tab(context)
  await tab.page.getByText('you need a token').waitFor()
  await tab.screenshot('token-needed')
  assert.equal(await tab.violations(), [])
  await tab.drop(['early.txt'], 20)
  await tab.page.getByText('Uploads here need a key or a token.').waitFor()
  const token = (await as('carl')).Authorization.replace('Bearer ', '')
  await tab.page.getByLabel('Key or token').fill(token)
  await tab.page.getByRole('button', { name: 'Use it in this tab' }).click()
  await tab.page.getByText('of carl.txt', { exact: true }).waitFor()
  assert.is(await tab.page.getByText('of dora.txt').count(), 0)
  await tab.page.getByRole('button', { name: 'Retry' }).first().click()
  await tab.verified(1)
  await context.close()
})

test.run()
