// waits

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { idle } from '../helpers/health.js'
import { statusOf, tus } from '../helpers/server.js'
import {
  answersOf,
  assertArrived,
  assertBackToStoredOnly,
  assertNeverBack,
  offsetsOf,
  UppyStage,
} from '../helpers/uppy-stage.js'
import { filesOf, type Report } from '../helpers/uppy-tab.js'

const test = suite<{ stage: UppyStage }>('Uppy in Chromium, over lines that break')

const MB = 1_000_000
/** More than the heads of a few requests, and much less than a file. */
const HEADS_BYTES = 16_000
/** Uppy's own retries are over after 0.1 + 1 + 3 + 5 s. */
const LONGER_THAN_RETRIES_MS = 11_000

test.before(async (context) => {
  context.stage = await UppyStage.open()
})

test.after(async ({ stage }) => {
  await stage?.close()
})

function hasBegun(files: readonly { name: string }[], bytesEach: number) {
  return ({ progress }: Report): boolean => {
    return files.every(({ name }) => progress.some(({ file, bytes }) => file === name && bytes > bytesEach))
  }
}

test('goes on by its default retries when the line is down for some seconds, from the last byte that arrived', async ({
  stage,
}) => {
  await stage.play([], async ({ server, line, open }) => {
    const files = filesOf(1, 40 * MB)
    line.rate = 20 * MB
    const tab = await open()
    await tab.upload(files)
    await tab.until(30_000, 'a quarter of the file', hasBegun(files, 10 * MB))
    line.down()
    const arrived = line.sentBytes
    await tab.until(30_000, 'two tries in vain', () => line.refused >= 2)
    await tab.screenshot('line-down')
    line.up()
    const report = await tab.ended(1, 60_000)
    assert.is(answersOf(report)['POST 201'], 1, 'it was one upload all the time')
    const [, again] = offsetsOf(report, 'file-01.bin')
    assert.ok(Number(again) > arrived - HEADS_BYTES, `of ${arrived} bytes that arrived, ${again} counted`)
    await assertArrived(server, report, files)
    assertBackToStoredOnly(report)
    await idle(server)
  })
})

test('waits without a network longer than its retries last, and goes on with each file when there is one', async ({
  stage,
}) => {
  await stage.play([], async ({ server, line, context, open }) => {
    const files = filesOf(3, 16 * MB)
    line.rate = 10 * MB
    const tab = await open()
    await tab.upload(files)
    await tab.until(30_000, 'some of each file', hasBegun(files, 2 * MB))
    await context.setOffline(true)
    line.down()
    await new Promise((resolve) => setTimeout(resolve, LONGER_THAN_RETRIES_MS))
    await tab.screenshot('offline')
    assert.equal((await tab.report()).failed, [])
    line.up()
    await context.setOffline(false)
    const report = await tab.ended(3, 60_000)
    await assertArrived(server, report, files)
    assert.is(answersOf(report)['POST 201'], 3, 'none was begun again')
    for (const { name } of files) assert.ok(Number(offsetsOf(report, name).at(-1)) > 0, `${name} resumed`)
    assertBackToStoredOnly(report)
    await idle(server)
  })
})

test('resumes the same file in a new tab, and sends no byte of what is stored again', async ({ stage }) => {
  await stage.play([], async ({ server, line, open }) => {
    const files = filesOf(1, 40 * MB)
    line.rate = 20 * MB
    const first = await open()
    await first.upload(files)
    const { asked } = await first.until(30_000, 'half of the file', hasBegun(files, 20 * MB))
    await first.page.close()
    await idle(server)

    const path = new URL(asked.at(-1)?.url ?? '').pathname
    const stored = Number((await tus.head(server, path)).headers['upload-offset'])
    assert.ok(stored > 10 * MB && stored < 40 * MB, `${stored} bytes are stored`)
    const before = line.sentBytes
    const second = await open()
    await second.upload(files)
    const report = await second.ended(1, 60_000)
    await second.screenshot('resumed')
    await assertArrived(server, report, files)
    assert.equal(answersOf(report), { 'HEAD 200': 1, 'PATCH 204': 1 })
    assert.equal(offsetsOf(report, 'file-01.bin'), [stored])
    const sent = line.sentBytes - before
    assert.ok(sent < 40 * MB - stored + HEADS_BYTES, `${sent} bytes were sent for ${40 * MB - stored}`)
    assert.is(report.progress[0]?.bytes, stored, 'progress begins where it was')
    assertNeverBack(report)
    assert.is((await statusOf(server)).slots.taken, 0)
  })
})

test.run()
