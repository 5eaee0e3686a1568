/**
 * What pages with Uppy lose when all slots are taken: `node dist/test/bench/uppy.js [--files 60]
 * [--megabytes 20] [--pages 1,2,3] [--waits 0s,5s,20s] [--clients defaults,patient] [--rate 100] [--held 0]`.
 * --rate is in MB/s over all pages. For the first --held seconds, others hold all ten slots.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Browser } from 'playwright-core'
import { startBrowser } from '../helpers/browser.js'
import { Line } from '../helpers/line.js'
import { createUpload, Patch, PseudoFile } from '../helpers/sender.js'
import { eventually, startServer, statusOf, type TestServer } from '../helpers/server.js'
import { UppySite } from '../helpers/uppy-site.js'
import { answersOf } from '../helpers/uppy-stage.js'
import { fallsIn, filesOf, type Report, UppyTab } from '../helpers/uppy-tab.js'
import { machineLines, machineOf } from './machine.js'
import { defaultFolder } from './workspace.js'

const MB = 1_000_000
const CASE_WITHIN_MS = 300_000
const SLOTS = 10
/** Sent every HOLD_EVERY_MS: faster than --min-rate demands. */
const HOLD_BYTES = 100_000
const HOLD_EVERY_MS = 5_000
/** The options of Uppy: its defaults, and those of test/clients/README.md. */
const CLIENTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  defaults: {},
  patient: { limit: 6, retryDelays: [0, 1_000, 3_000, ...Array<number>(24).fill(5_000)] },
}

interface Case {
  readonly pages: number
  readonly slotWait: string
  readonly client: string
}

interface Load {
  readonly files: number
  readonly bytes: number
  /** Bytes a second over all pages; infinite for as fast as it goes. */
  readonly rate: number
  /** For how long others hold every slot at the start. */
  readonly heldMs: number
}

async function measure({ pages, slotWait, client }: Case, load: Load, browser: Browser, site: UppySite) {
  const total = pages * load.files * load.bytes
  const folder = mkdtempSync(join(defaultFolder(2 * total), 'lading-bench-'))
  const server = await startServer(['--slots', String(SLOTS), '--slot-wait', slotWait], join(folder, 'data'))
  const line = await Line.open(server.port)
  line.rate = load.rate
  const contexts = await Promise.all(Array.from({ length: pages }, () => browser.newContext()))
  try {
    const settings = { endpoint: line.urlOf(server), tus: CLIENTS[client] ?? {} }
    const tabs = await Promise.all(contexts.map((context) => UppyTab.open(context, site, settings)))
    const release = load.heldMs > 0 ? await holdSlots(server) : () => {}
    setTimeout(release, load.heldMs)
    const startedMs = performance.now()
    const reports = await Promise.all(
      tabs.map(async (tab) => {
        await tab.upload(filesOf(load.files, load.bytes))
        return tab.ended(load.files, CASE_WITHIN_MS)
      }),
    )
    return row(reports, (performance.now() - startedMs) / 1_000, line.sentBytes, load)
  } finally {
    for (const context of contexts) await context.close()
    line.close()
    await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Takes every slot with a slow upload. Returns what ends them. */
async function holdSlots(server: TestServer): Promise<() => void> {
  const file = new PseudoFile(1, 100 * MB)
  const patches = await Promise.all(
    Array.from({ length: SLOTS }, async () => {
      const patch = await Patch.begin(server, await createUpload(server, file), file, 0)
      await patch.send(HOLD_BYTES)
      return patch
    }),
  )
  const timer = setInterval(() => {
    for (const patch of patches) void patch.send(patch.at + HOLD_BYTES)
  }, HOLD_EVERY_MS)
  await eventually(10_000, 'a full house', async () => {
    return (await statusOf(server)).slots.taken === SLOTS ? true : undefined
  })
  return () => {
    clearInterval(timer)
    for (const patch of patches) patch.connection.socket.destroy()
  }
}

function row(reports: readonly Report[], seconds: number, sentBytes: number, { bytes }: Load) {
  const sum = (count: (report: Report) => number) => reports.reduce((total, each) => total + count(each), 0)
  const succeeded = sum((report) => report.succeeded.length)
  return {
    failed: sum((report) => report.failed.length),
    seconds: seconds.toFixed(1),
    refusals: sum((report) => answersOf(report)['PATCH 503'] ?? 0),
    wastedMb: Math.max(0, (sentBytes - succeeded * bytes) / MB).toFixed(0),
    falls: sum((report) => fallsIn(report.progress).length),
    deepestFallMb: (
      Math.max(0, ...reports.flatMap(({ progress }) => fallsIn(progress).map(({ from, to }) => from - to))) /
      MB
    ).toFixed(1),
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      files: { type: 'string', default: '60' },
      megabytes: { type: 'string', default: '20' },
      pages: { type: 'string', default: '1,2,3' },
      waits: { type: 'string', default: '0s,5s,20s' },
      clients: { type: 'string', default: Object.keys(CLIENTS).join(',') },
      rate: { type: 'string', default: '100' },
      held: { type: 'string', default: '0' },
    },
  })
  const rate = Number(values.rate) * MB || Number.POSITIVE_INFINITY
  const [files, bytes, heldMs] = [
    Number(values.files),
    Number(values.megabytes) * MB,
    Number(values.held) * 1_000,
  ]
  const load = { files, bytes, rate, heldMs }
  console.log(machineLines(machineOf([defaultFolder(0)])).join('\n'))
  console.log(
    `\n${values.files} files of ${values.megabytes} MB a page, ${rate / MB} MB/s over all, 10 slots\n`,
  )
  console.log(
    '| pages | client | --slot-wait | files failed | s | 503 | MB sent in vain | falls | deepest, MB |',
  )
  console.log('|---|---|---|---|---|---|---|---|---|')
  const browser = await startBrowser()
  const site = await UppySite.open()
  try {
    for (const pages of values.pages.split(',').map(Number)) {
      for (const client of values.clients.split(',')) {
        for (const slotWait of values.waits.split(',')) {
          const cells = Object.values(await measure({ pages, slotWait, client }, load, browser, site))
          console.log(`| ${[pages, client, slotWait, ...cells].join(' | ')} |`)
        }
      }
    }
  } finally {
    site.close()
    await browser.close()
  }
}

await main()
