import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { filesIn, idle } from '../helpers/health.js'
import type { Line, PassedAnswer } from '../helpers/line.js'
import { createUpload, Patch, PseudoFile } from '../helpers/sender.js'
import { eventually, statusOf, type TestServer, tus } from '../helpers/server.js'
import { answersOf, assertArrived, assertBackToStoredOnly, UppyStage } from '../helpers/uppy-stage.js'
import { type FileSpec, fallsIn, filesOf, type Report } from '../helpers/uppy-tab.js'

const test = suite<{ stage: UppyStage }>('Uppy in Chromium, refused')

const MB = 1_000_000
const BODY_BYTES = 100 * MB
const PROGRAM: FileSpec = {
  name: 'program.bin',
  type: 'application/octet-stream',
  bytes: BODY_BYTES,
  head: '\x7fELF\x02\x01\x01',
}
/** Of a refused body no more may have left the browser than the systems' socket buffers hold. */
const IN_FLIGHT_BYTES = 16 * MB

test.before(async (context) => {
  context.stage = await UppyStage.open()
})

test.after(async ({ stage }) => {
  await stage?.close()
})

/** Fails unless the page saw this status for the one file, and no network error on the way. */
function assertRefused(report: Report, status: number, code: string): void {
  assert.is(report.failed.length, 1)
  const [failure] = report.failed
  assert.is(failure?.status, status)
  assert.is(failure?.isNetworkError, false)
  assert.ok(failure?.body?.startsWith(`${code}: `), failure?.body ?? 'no text')
  assert.equal(
    report.asked.filter((asked) => asked.status === 0),
    [],
    'requests without an answer',
  )
}

/** The answer with this status, which must have passed while the body was being sent. */
function earlyAnswer(answers: readonly PassedAnswer[], status: number): PassedAnswer {
  const found = answers.find((answer) => answer.status === status)
  assert.ok(found, `no ${status} passed`)
  assert.ok(found.sentBytes < IN_FLIGHT_BYTES, `${found.sentBytes} bytes had passed before the ${status}`)
  return found
}

/** The browser has its answer when the system has the last byte; the server reads that byte some time later. */
async function readToItsEnd(line: Line): Promise<void> {
  await eventually(30_000, 'the end of the body', async () =>
    line.sentBytes > BODY_BYTES ? true : undefined,
  )
}

test('shows 415 for a program of 100 MB that is still being sent, and nothing of it stays', async ({
  stage,
}) => {
  await stage.play([], async ({ server, line, open }) => {
    line.rate = 50 * MB
    const tab = await open()
    await tab.upload([PROGRAM])
    const report = await tab.ended(1, 60_000)
    await tab.screenshot('refused-415')
    assertRefused(report, 415, 'type_refused')
    assert.equal(answersOf(report), { 'POST 201': 1, 'PATCH 415': 1 })
    earlyAnswer(line.answers, 415)
    await readToItsEnd(line)
    await assertGone(server, report)
  })
})

test('shows 413 for a file of 100 MB where 50 MB is the most, while it is still being sent with its creation', async ({
  stage,
}) => {
  await stage.play(['--max-size', '50MiB'], async ({ server, line, open }) => {
    line.rate = 50 * MB
    const tab = await open({ uploadDataDuringCreation: true })
    await tab.upload(filesOf(1, BODY_BYTES))
    const report = await tab.ended(1, 60_000)
    await tab.screenshot('refused-413')
    assertRefused(report, 413, 'size_exceeded')
    assert.equal(answersOf(report), { 'POST 413': 1 })
    earlyAnswer(line.answers, 413)
    await readToItsEnd(line)
    assert.equal(filesIn(server), [])
    await idle(server)
  })
})

test('shows 413 by its defaults for a file that is too large, before a byte of it is sent', async ({
  stage,
}) => {
  await stage.play(['--max-size', '50MiB'], async ({ line, open }) => {
    const tab = await open()
    await tab.upload(filesOf(1, BODY_BYTES))
    const report = await tab.ended(1, 60_000)
    assertRefused(report, 413, 'size_exceeded')
    assert.ok(line.sentBytes < MB, `${line.sentBytes} bytes were sent`)
  })
})

test('shows 503 for a file of 100 MB while it is still being sent, when no slot is free', async ({
  stage,
}) => {
  await stage.play(['--slots', '1', '--slot-wait', '0s'], async ({ server, line, open }) => {
    const holder = await holdSlot(server)
    line.rate = 50 * MB
    const tab = await open({ retryDelays: [] })
    await tab.upload(filesOf(1, BODY_BYTES))
    const report = await tab.ended(1, 60_000)
    await tab.screenshot('refused-503')
    assertRefused(report, 503, 'slots_full')
    assert.equal(answersOf(report), { 'POST 201': 1, 'PATCH 503': 1 })
    earlyAnswer(line.answers, 503)
    await readToItsEnd(line)
    holder.connection.socket.destroy()
  })
})

test('gets through by its default retries when a slot comes free after two refusals', async ({ stage }) => {
  await stage.play(['--slots', '1', '--slot-wait', '0s'], async ({ server, open }) => {
    const holder = await holdSlot(server)
    const files = filesOf(1, 20 * MB)
    const tab = await open()
    await tab.upload(files)
    await tab.until(30_000, 'two refusals', (report) => Number(answersOf(report)['PATCH 503']) >= 2)
    holder.connection.socket.destroy()
    const report = await tab.ended(1, 60_000)
    await assertArrived(server, report, files)
    assert.is(answersOf(report)['POST 201'], 1)
    assert.is(answersOf(report)['PATCH 204'], 1)
    assertBackToStoredOnly(report)
  })
})

test('waits with --slot-wait until a slot is free: one PATCH, no refusal, and progress never goes back', async ({
  stage,
}) => {
  await stage.play(['--slots', '1', '--slot-wait', '20s'], async ({ server, open }) => {
    const holder = await holdSlot(server)
    const files = filesOf(1, 20 * MB)
    const tab = await open()
    await tab.upload(files)
    await eventually(30_000, 'a request that waits', async () => {
      return (await statusOf(server)).slots.waiting === 1 ? true : undefined
    })
    holder.connection.socket.destroy()
    const report = await tab.ended(1, 60_000)
    await assertArrived(server, report, files)
    assert.equal(answersOf(report), { 'POST 201': 1, 'PATCH 204': 1 })
    assert.equal(fallsIn(report.progress), [])
  })
})

for (const rate of [1 * MB, 20_000]) {
  test(`has its slot back within 100 ms of a 415, though the page sends on at ${rate / 1_000} kB/s`, async ({
    stage,
  }) => {
    await stage.play([], async ({ server, line, open }) => {
      line.rate = rate
      const tab = await open()
      const watch = watchSlots(server)
      await tab.upload([PROGRAM])
      const refusal = await eventually(30_000, 'the 415', async () => {
        return line.answers.find(({ status }) => status === 415)
      })
      const polls = await watch.stopAfter(refusal.atMs + 500)
      const late = polls.filter(({ askedAtMs, taken }) => taken > 0 && askedAtMs > refusal.atMs + 100)
      assert.equal(late, [], 'the slot was taken still')
      assert.ok(polls.filter(({ askedAtMs }) => askedAtMs > refusal.atMs + 100).length > 0, 'nobody looked')
      await assertGone(server, await tab.report())
      await eventually(30_000, 'more from the page', async () => {
        return line.sentBytes > refusal.sentBytes ? true : undefined
      })
    })
  })
}

test('shows 415 also when the body comes so slowly that the server stops reading it', async ({ stage }) => {
  await stage.play([], async ({ line, open }) => {
    line.rate = MB
    const tab = await open()
    await tab.upload([PROGRAM])
    const report = await tab.ended(1, 60_000)
    assertRefused(report, 415, 'type_refused')
    assert.ok(line.sentBytes < BODY_BYTES / 2, `${line.sentBytes} bytes were sent`)
  })
})

test.run()

/** Begins an upload that holds a slot until its connection is destroyed. */
async function holdSlot(server: TestServer): Promise<Patch> {
  const file = new PseudoFile(1, 10 * MB)
  const patch = await Patch.begin(server, await createUpload(server, file), file, 0)
  await patch.send(MB)
  await eventually(30_000, 'a taken slot', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  return patch
}

/** Fails unless HEAD knows nothing of what the page tried to upload, and no file of it is there. */
async function assertGone(server: TestServer, { asked }: Report): Promise<void> {
  const patch = asked.find(({ method }) => method === 'PATCH')
  assert.is((await tus.head(server, new URL(patch?.url ?? '').pathname)).status, 404)
  assert.equal(filesIn(server), [])
}

interface Poll {
  readonly askedAtMs: number
  readonly taken: number
}

/** Asks for the slots again and again, from now on. */
function watchSlots(server: TestServer) {
  const polls: Poll[] = []
  let endMs = Number.POSITIVE_INFINITY
  const watching = (async () => {
    while (performance.now() < endMs) {
      const askedAtMs = performance.now()
      polls.push({ askedAtMs, taken: (await statusOf(server)).slots.taken })
    }
  })()
  // A test that fails before it stops the watch has its own error to tell.
  watching.catch(() => {})
  return {
    stopAfter: async (ms: number): Promise<readonly Poll[]> => {
      endMs = ms
      await watching
      return polls
    },
  }
}
