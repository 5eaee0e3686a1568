import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { PagePlace, type PageTab } from '../helpers/page-place.js'
import { eventually, locationOf, send, temporaryFolder, tus } from '../helpers/server.js'

const test = suite<{ place: PagePlace }>('the page in Chromium')

const WITHIN_MS = 60_000
const MB = 1_000_000

test.before(async (context) => {
  context.place = await PagePlace.open()
})

test.after(async ({ place }) => {
  await place?.close()
})

interface Shown {
  readonly slots: { readonly taken: number; readonly limit: number }
  readonly active: readonly { readonly filename: string | null }[]
}

interface Listing {
  readonly uploads: readonly { readonly filename: string; readonly state: string }[]
}

/** Resolves when the places show the uploads that the server names, `count` of them. */
async function assertPlaces(place: PagePlace, tab: PageTab, count: number): Promise<void> {
  await eventually(WITHIN_MS, `the same ${count} uploads in the places and in /api/status`, async () => {
    const { slots, active } = (await place.api('/api/status')) as Shown
    const names = active.map(({ filename }) => filename ?? '').sort()
    const shown = await tab.taken()
    const summary = await tab.page.locator('#places-summary').textContent()
    const isSame = JSON.stringify(names) === JSON.stringify(shown)
    return isSame && shown.length === count && summary === `${slots.taken} of ${slots.limit} taken`
      ? true
      : undefined
  })
}

/** Resolves when the list shows what the server lists. */
async function assertList(place: PagePlace, tab: PageTab, count: number): Promise<void> {
  await eventually(WITHIN_MS, `${count} uploads as in /api/uploads`, async () => {
    const { uploads } = (await place.api('/api/uploads?limit=25')) as Listing
    const words: Record<string, string> = { finished: 'Finished', refused: 'Refused', terminated: 'Deleted' }
    const expected = uploads.map(({ filename, state }) => [filename, words[state] ?? state])
    const listed = await tab.listed()
    return listed.length === count && JSON.stringify(listed) === JSON.stringify(expected) ? true : undefined
  })
}

/** Makes a finished upload, with any metadata. */
async function stored(place: PagePlace, metadata: Record<string, string>, body: string): Promise<string> {
  const pairs = Object.entries(metadata).map(([key, value]) => {
    return `${key} ${Buffer.from(value).toString('base64')}`
  })
  const created = await tus.create(place.server, Buffer.byteLength(body), {
    'Upload-Metadata': pairs.join(','),
  })
  const answer = await tus.patch(place.server, locationOf(created), 0, body)
  assert.is(answer.status, 204, answer.text)
  return locationOf(created)
}

for (const scheme of ['light', 'dark'] as const) {
  test(`axe-core finds no violation on the empty page, ${scheme}`, async ({ place }) => {
    const context = await place.profile({ colorScheme: scheme })
    const tab = await place.tab(context)
    await tab.page.getByText('Nothing here yet').waitFor()
    await tab.screenshot(`empty-${scheme}`)
    assert.equal(await tab.violations(), [])
    assert.equal(tab.console, [])
    await context.close()
  })
}

test('takes 30 files and a folder; "the list and the slots tell the truth at every step", also after a cut', async ({
  place,
}) => {
  const { line } = place
  const context = await place.profile()
  const tab = await place.tab(context)
  const names = Array.from({ length: 30 }, (_, index) => `file ${String(index + 1).padStart(2, '0')}.bin`)
  line.rate = 3 * MB
  await tab.drop(names, 1.5 * MB)
  await assertPlaces(place, tab, 4)
  await tab.screenshot('receiving')
  line.down()
  await tab.page.getByText('The server cannot be reached. It goes on by itself.').first().waitFor()
  await tab.screenshot('cut')
  line.rate = Number.POSITIVE_INFINITY
  line.up()
  await tab.verified(30)
  await assertPlaces(place, tab, 0)
  await assertList(place, tab, 25)
  await tab.page.getByRole('button', { name: 'Older', exact: true }).click()
  await eventually(WITHIN_MS, 'the other five', async () =>
    (await tab.listed()).length === 5 ? true : undefined,
  )
  await tab.page.getByRole('button', { name: 'Newer', exact: true }).click()
  await assertList(place, tab, 25)

  const folder = join(temporaryFolder(), 'holiday')
  mkdirSync(join(folder, 'beach'), { recursive: true })
  writeFileSync(join(folder, 'a.txt'), 'in the folder')
  writeFileSync(join(folder, 'beach', 'b.txt'), 'in the folder in it')
  await tab.choose(folder)
  await tab.verified(32)
  await assertList(place, tab, 25)
  await tab.page.getByText('holiday/beach/').waitFor()
  await tab.page.getByRole('button', { name: 'Count all' }).click()
  await tab.page.getByRole('button', { name: '32 uploads' }).waitFor()
  await context.close()
})

for (const [scheme, width] of [
  ['light', 1280],
  ['dark', 1280],
  ['light', 360],
] as const) {
  test(`axe-core finds no violation on the full page, ${scheme}, ${width} px, and it does not scroll sideways`, async ({
    place,
  }) => {
    const context = await place.profile({ colorScheme: scheme, viewport: { width, height: 800 } })
    const tab = await place.tab(context)
    await tab.page.locator('#rows tr').nth(24).waitFor()
    await tab.screenshot(`full-${scheme}-${width}`)
    assert.equal(await tab.violations(), [])
    assert.is(await tab.page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true)
    await context.close()
  })
}

test('goes on where it stopped when the tab was closed and the same file is dropped again', async ({
  place,
}) => {
  const { line } = place
  const path = join(temporaryFolder(), 'long.bin')
  // Much more than the buffers of a connection hold: those still arrive when the tab is closed.
  const bytes = Buffer.alloc(48 * MB, 'long file')
  writeFileSync(path, bytes)
  const context = await place.profile()
  const first = await place.tab(context)
  line.rate = 2 * MB
  await first.choose([path])
  await assertPlaces(place, first, 1)
  await first.page.getByText(/^[1-9]\d* % of/).waitFor()
  await first.page.close()
  line.rate = Number.POSITIVE_INFINITY

  const second = await place.tab(context)
  await second.page.getByText('These uploads were interrupted').waitFor()
  await second.screenshot('interrupted')
  const offsets: number[] = []
  second.page.on('request', (request) => {
    if (request.method() === 'PATCH') offsets.push(Number(request.headers()['upload-offset']))
  })
  await second.choose([path])
  await second.verified(1)
  assert.ok((offsets[0] ?? 0) > 0, `the first PATCH began at ${offsets[0]}`)
  const digest = await second.page.locator('.arrival .digest').textContent()
  assert.is(digest, createHash('sha256').update(bytes).digest('hex'))
  await second.page.reload()
  assert.ok(await second.page.locator('#interrupted').isHidden(), 'what has arrived is not interrupted')
  await context.close()
})

test('says in plain words why a file is refused, and lists it as refused', async ({ place }) => {
  const path = join(temporaryFolder(), 'tool.exe')
  writeFileSync(path, Buffer.concat([Buffer.from('MZ'), Buffer.alloc(600)]))
  const context = await place.profile()
  const tab = await place.tab(context)
  await tab.choose([path])
  await tab.page.getByText('Files of this type are not accepted here.', { exact: true }).waitFor()
  await assertList(place, tab, 25)
  assert.equal((await tab.listed())[0], ['tool.exe', 'Refused'])
  await tab.screenshot('refused')
  await context.close()
})

test('"stored script in names, types, metadata and SVG" never runs', async ({ place }) => {
  const script = '<img src=x onerror="globalThis.ran=1"><script>globalThis.ran=1</script>'
  const location = await stored(
    place,
    {
      filename: `${script}.svg`,
      filetype: script,
      relativePath: `${script}/${script}.svg`,
      [`k${'"'}`]: script,
    },
    `plain text, with ${script}`,
  )
  const context = await place.profile()
  const tab = await place.tab(context)
  await tab.page.getByText(`${script}.svg`, { exact: true }).waitFor()
  await tab.page.getByRole('button', { name: `Delete ${script}.svg` }).click()
  await tab.page.getByText(`Delete ${script}.svg?`).waitFor()
  await tab.page.keyboard.press('Escape')
  assert.is(await tab.page.evaluate('globalThis.ran'), undefined)
  assert.equal(tab.console, [])
  // What would notice: the policy stops script that stands in the document, and says so.
  await tab.page.evaluate(`document.body.insertAdjacentHTML('beforeend', ${JSON.stringify(script)})`)
  await eventually(WITHIN_MS, 'the violation', async () => (tab.console.length > 0 ? true : undefined))
  assert.is(await tab.page.evaluate('globalThis.ran'), undefined)
  assert.is((await tus.remove(place.server, location)).status, 204)
  await context.close()
})

test('finds by the beginning of a name, and deletes after a question, by the keyboard alone', async ({
  place,
}) => {
  await stored(place, { filename: 'unique name.txt' }, 'to be deleted')
  const context = await place.profile()
  const tab = await place.tab(context)
  const { page } = tab
  await page.locator('#rows tr').first().waitFor()
  await page.getByLabel('Search').focus()
  await page.keyboard.type('unique')
  await eventually(WITHIN_MS, 'one row', async () => ((await tab.listed()).length === 1 ? true : undefined))
  const focused = (): Promise<unknown> => page.evaluate(`document.activeElement.getAttribute('aria-label')`)
  for (let tabs = 0; tabs < 20 && (await focused()) !== 'Delete unique name.txt'; tabs++)
    await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByText('Delete unique name.txt?').waitFor()
  assert.equal(await tab.violations(), [])
  await page.keyboard.press('Escape')
  assert.is(await focused(), 'Delete unique name.txt', 'Escape closes, and the focus is where it was')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await eventually(WITHIN_MS, 'the deleted upload', async () => {
    const [row] = ((await place.api('/api/uploads?q=unique')) as Listing).uploads
    return row?.state === 'terminated' ? true : undefined
  })
  await eventually(WITHIN_MS, 'its row', async () =>
    (await tab.listed())[0]?.[1] === 'Deleted' ? true : undefined,
  )
  await context.close()
})

test('downloads a file with its name, and shows an upload that another client makes, at once', async ({
  place,
}) => {
  const context = await place.profile({ acceptDownloads: true })
  const tab = await place.tab(context)
  await tab.page.locator('#rows tr').first().waitFor()
  await stored(place, { filename: 'by curl.txt' }, 'from elsewhere')
  await tab.page.getByText('by curl.txt', { exact: true }).waitFor()
  const begun = tab.page.waitForEvent('download')
  await tab.page.getByRole('button', { name: 'Download by curl.txt' }).click()
  assert.is((await begun).suggestedFilename(), 'by curl.txt')
  const gone = await send(place.server.origin, { method: 'GET', path: '/page/other.js' })
  assert.is(gone.status, 404)
  await context.close()
})

test.run()
