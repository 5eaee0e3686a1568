import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp } from '../helpers/app-place.js'
import { startBrowser } from '../helpers/browser.js'
import { askOf } from '../helpers/routes.js'
import { eventually } from '../helpers/server.js'
import { soundMp4 } from '../helpers/sound-mp4.js'
import { uploaded } from '../helpers/uploaded.js'
import { base64 } from '../helpers/wire.js'

const test = suite('downloads in Chromium')

const SECONDS = 60
const WITHIN_MS = 30_000
const VIDEO = 'document.querySelector("video")'
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

let app: TestApp
let browser: Browser | undefined

test.before(async () => {
  app = await startApp({ accept: ['*/*', 'image/svg+xml', 'text/html'] })
  browser = await startBrowser()
})
test.after(async () => {
  await browser?.close()
  await app.close()
})

async function urlOf(name: string, type: string, bytes: string | Uint8Array): Promise<string> {
  const metadata = `filename ${base64(name)},filetype ${base64(type)}`
  return (
    app.origin +
    (await uploaded(
      askOf(() => app.origin),
      { bytes, metadata },
    ))
  )
}

async function newPage(): Promise<Page> {
  if (!browser) throw new Error('the browser is not started')
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(WITHIN_MS)
  return page
}

test('"Chromium plays and seeks an mp4", whose index stands at its end', async () => {
  const url = await urlOf('a.mp4', 'video/mp4', soundMp4(SECONDS))
  const page = await newPage()
  const ranges: string[] = []
  page.on('response', (response) => {
    if (response.url() === url) ranges.push(`${response.status()} ${response.headers()['content-range']}`)
  })
  await page.setContent(`<video src="${url}" preload="auto" muted></video>`, { waitUntil: 'commit' })
  await page.waitForFunction(`${VIDEO}.readyState >= 1`)
  assert.is(await page.evaluate(`Math.round(${VIDEO}.duration)`), SECONDS)
  for (const second of [55, 5, 30]) {
    await page.evaluate(`${VIDEO}.currentTime = ${second}; ${VIDEO}.play(); 0`)
    // It plays on from there.
    await page.waitForFunction(`!${VIDEO}.seeking && ${VIDEO}.currentTime > ${second} + 0.2`)
    await page.evaluate(`${VIDEO}.pause()`)
  }
  console.log(`chromium: ${ranges.join(', ')}`)
  assert.ok(
    ranges.some((each) => /^206 bytes [1-9]/.test(each)),
    'it asked for ranges',
  )
  // Opened by itself: what the browser builds around the file is under the file's policy.
  await page.goto(url, { waitUntil: 'commit' })
  await eventually(WITHIN_MS, 'the video', async () =>
    (await page.evaluate(`${VIDEO}?.readyState >= 1`)) === true ? true : undefined,
  )
  await page.context().close()
})

test('a picture is shown by itself, and on a page of another origin', async () => {
  const url = await urlOf('a.png', 'image/png', Buffer.from(PIXEL, 'base64'))
  for (const show of [
    (page: Page) => page.goto(url),
    (page: Page) => page.setContent(`<img src="${url}">`),
  ]) {
    const page = await newPage()
    await show(page)
    await page.waitForFunction('document.querySelector("img").naturalWidth === 1')
    await page.context().close()
  }
})

test('"everything else attachment": SVG and HTML are saved under their name, and not shown', async () => {
  const page = await newPage()
  for (const [name, type, bytes] of [
    ['a.svg', 'image/svg+xml', SVG],
    ["it's (1) ü.html", 'text/html', '<!doctype html><script>document.title = "ran"</script>'],
  ] as const) {
    const url = await urlOf(name, type, bytes)
    const saved = page.waitForEvent('download')
    await page.goto(url).catch(() => {})
    assert.is((await saved).suggestedFilename(), name)
    assert.is(page.url(), 'about:blank')
    const framed = page.waitForEvent('download')
    await page.setContent(`<iframe src="${url}"></iframe>`)
    await framed
    assert.is(await page.title(), '')
  }
  await page.context().close()
})

test.run()
