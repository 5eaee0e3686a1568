import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, idle } from '../helpers/health.js'
import { rowsOf } from '../helpers/proof.js'
import { eventually, idOf, send, temporaryFolder, tus } from '../helpers/server.js'
import { SECRET_FLAGS } from '../helpers/tokens.js'
import { answersOf, assertArrived, assertNeverBack, UppyStage } from '../helpers/uppy-stage.js'
import { filesOf } from '../helpers/uppy-tab.js'

const test = suite<{ stage: UppyStage }>('Uppy in Chromium')

const MB = 1_000_000

test.before(async (context) => {
  context.stage = await UppyStage.open()
})

test.after(async ({ stage }) => {
  await stage?.close()
})

for (const [count, bytes] of [
  [1, 50 * MB],
  [20, 4 * MB],
  [60, 2 * MB],
] as const) {
  test(`brings ${count} files of ${bytes / MB} MB by its defaults to a server with its defaults, progress never goes back`, async ({
    stage,
  }) => {
    await stage.play([], async ({ server, open }) => {
      const files = filesOf(count, bytes)
      const tab = await open()
      await tab.upload(files)
      const report = await tab.ended(count, 60_000)
      await tab.page.locator('.uppy-StatusBar.is-complete').waitFor({ timeout: 30_000 })
      await tab.screenshot(`complete-${count}`)
      assert.equal(
        answersOf(report),
        { 'POST 201': count, 'PATCH 204': count },
        'nothing had to be tried again',
      )
      await assertArrived(server, report, files)
      assertNeverBack(report)
      assert.equal(tab.console, [])
      await idle(server)
    })
  })
}

test('takes a file by the Dashboard, shows its progress and that it is complete', async ({ stage }) => {
  await stage.play([], async ({ server, line, open }) => {
    const path = join(temporaryFolder(), 'chosen.bin')
    await writeFile(path, Buffer.alloc(20 * MB, 'chosen'))
    line.rate = 10 * MB
    const { page } = await open()
    await page.locator('input.uppy-Dashboard-input').first().setInputFiles(path)
    await page.locator('.uppy-StatusBar-actionBtn--upload').click({ timeout: 30_000 })
    await page.locator('.uppy-StatusBar.is-uploading').waitFor({ timeout: 30_000 })
    await eventually(30_000, 'a percentage', async () => {
      const text = await page.locator('.uppy-StatusBar-statusPrimary').textContent()
      return /Uploading: [1-9]\d?%/.test(text ?? '') ? true : undefined
    })
    await page.locator('.uppy-StatusBar.is-complete').waitFor({ timeout: 30_000 })
    const rows = await eventually(30_000, 'the finished row', async () => {
      const finished = [...rowsOf(server).values()].filter(({ state }) => state === 'finished')
      return finished.length > 0 ? finished : undefined
    })
    assert.is(rows.length, 1)
    assert.is(rows[0]?.length, 20 * MB)
  })
})

test('cannot upload where the server does not allow its origin, so CORS counts here', async ({ stage }) => {
  await stage.play(['--cors-origin', 'http://elsewhere.example'], async ({ server, open }) => {
    const tab = await open({ retryDelays: [] })
    await tab.upload(filesOf(1, MB))
    const { failed } = await tab.ended(1, 30_000)
    assert.is(failed[0]?.isNetworkError, true)
    assert.ok(
      tab.console.some((line) => line.includes('blocked by CORS policy')),
      tab.console.join('\n'),
    )
    assert.equal(filesIn(server), [])
  })
})

test('removes an upload from the server when it is cancelled on the way', async ({ stage }) => {
  await stage.play([], async ({ server, line, open }) => {
    line.rate = 10 * MB
    const tab = await open()
    await tab.upload(filesOf(3, 50 * MB))
    const { asked } = await tab.until(30_000, 'bytes of each file', ({ progress }) => {
      return filesOf(3, 0).every(({ name }) =>
        progress.some(({ file, bytes }) => file === name && bytes > MB),
      )
    })
    await tab.screenshot('uploading')
    await tab.page.locator('.uppy-StatusBar-actionCircleBtn[title="Cancel"]').click({ timeout: 30_000 })
    await tab.until(30_000, 'three answers to DELETE', (report) => answersOf(report)['DELETE 204'] === 3)
    await tab.screenshot('cancelled')
    const urls = new Set(asked.filter(({ method }) => method === 'PATCH').map(({ url }) => url))
    assert.is(urls.size, 3)
    for (const url of urls) {
      assert.is((await tus.head(server, new URL(url).pathname)).status, 404)
      await eventually(30_000, 'the terminated row', async () => {
        return rowsOf(server).get(idOf(url))?.state === 'terminated' ? true : undefined
      })
      const told = await send(server.origin, { method: 'GET', path: `/api/uploads/${idOf(url)}` })
      assert.is(JSON.parse(told.text).state, 'terminated')
    }
    assert.equal(filesIn(server), [])
    await idle(server)
  })
})

test('brings two files in four parts each with parallelUploads, progress never goes back', async ({
  stage,
}) => {
  await stage.play([], async ({ server, open }) => {
    const files = filesOf(2, 40 * MB)
    const tab = await open({ parallelUploads: 4 })
    await tab.upload(files)
    const report = await tab.ended(2, 60_000)
    assert.equal(answersOf(report), { 'POST 201': 10, 'PATCH 204': 8 })
    await assertArrived(server, report, files)
    assertNeverBack(report)
    await eventually(30_000, 'two files with their sidecars, without the parts', async () => {
      return filesIn(server).length === 4 ? true : undefined
    })
    await idle(server)
  })
})

test('"so that an Uppy page needs only a URL": a grant in the endpoint brings its file over a line that breaks, and no second one', async ({
  stage,
}) => {
  await stage.play(SECRET_FLAGS, async ({ server, line, open }) => {
    const made = await send(server.origin, { method: 'POST', path: '/api/grants', body: '{"count":1}' })
    assert.is(made.status, 201, made.text)
    const query = new URL(JSON.parse(made.text).endpoint).search
    line.rate = 20 * MB
    const [first, second] = [filesOf(1, 20 * MB), filesOf(2, MB).slice(1)]
    const tab = await open({}, query)
    await tab.upload(first)
    await tab.until(30_000, 'a quarter', ({ progress }) => progress.some(({ bytes }) => bytes > 5 * MB))
    line.down()
    await tab.until(30_000, 'a try in vain', () => line.refused >= 1)
    line.up()
    await assertArrived(server, await tab.ended(1, 60_000), first)
    const refused = await open({ retryDelays: [] }, query)
    await refused.upload(second)
    const { failed } = await refused.ended(1, 30_000)
    assert.is(failed[0]?.status, 403)
    assert.match(failed[0]?.body ?? '', /^grant_used: /)
    await idle(server)
  })
})

test.run()
