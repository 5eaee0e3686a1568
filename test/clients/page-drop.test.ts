import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PagePlace } from '../helpers/page-place.js'
import { temporaryFolder } from '../helpers/server.js'

const test = suite<{ place: PagePlace }>('drop links in Chromium')

const MB = 1_000_000

test.before(async (context) => {
  context.place = await PagePlace.open()
})

test.after(async ({ place }) => {
  await place?.close()
})

test('"Drop link: shows only the dropper, the grant\'s limits and one\'s own uploads"', async ({ place }) => {
  const folder = temporaryFolder()
  const [image, text, large] = ['dot.gif', 'note.txt', 'large.gif'].map((name) => join(folder, name))
  const gif = Buffer.from('R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=', 'base64')
  writeFileSync(image ?? '', gif)
  writeFileSync(text ?? '', 'only a text')
  writeFileSync(large ?? '', Buffer.concat([gif, Buffer.alloc(2 * MB)]))
  const context = await place.profile()
  const operator = await place.tab(context)
  const { page } = operator
  await page.getByRole('button', { name: 'New drop link' }).click()
  await page.getByLabel('Number of files').fill('2')
  await page.getByLabel('Largest file').fill('1')
  await page.getByLabel('Unit').selectOption({ label: 'MB' })
  await page.getByLabel('Types').fill('image/*')
  await page.getByRole('button', { name: 'Make the link' }).last().click()
  await page.getByLabel('QR code of the drop link').waitFor()
  await operator.screenshot('new-drop-link')
  assert.equal(await operator.violations(), [])
  const dropUrl = await page.getByLabel('Drop link', { exact: true }).inputValue()
  assert.ok(dropUrl.startsWith(`${place.address}drop/`), dropUrl)

  const visitor = await place.profile({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' })
  const tab = await place.tab(visitor, dropUrl)
  await tab.page.getByText('up to 2 files').waitFor()
  assert.is(await tab.page.locator('#places, #rows, #filters').count(), 0)
  await tab.choose([text ?? ''])
  await tab.page.getByText('Only files of these types are accepted here: image/*').first().waitFor()
  await tab.choose([large ?? ''])
  await tab.page.getByText('larger than is accepted here: at most 1 MB').first().waitFor()
  await tab.choose([image ?? ''])
  await tab.verified(1)
  await tab.page.getByText('Sent from this browser').waitFor()
  await tab.page.getByText('Open this page on a phone').click()
  await tab.page.getByLabel('QR code of this page').waitFor()
  await tab.screenshot('drop-dark-360')
  assert.equal(await tab.violations(), [])
  assert.is(await tab.page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
  assert.equal(tab.console, [])
  await tab.page.reload()
  await tab.page.locator('#sent .name', { hasText: 'dot.gif' }).waitFor()
  const token = dropUrl.slice(dropUrl.lastIndexOf('/') + 1)
  assert.not.ok(place.server.log().includes(token.slice(0, 40)), 'the token is not in the log')
  await visitor.close()
  await context.close()
})

test.run()
