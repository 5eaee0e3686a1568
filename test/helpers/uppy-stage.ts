import type { Browser, BrowserContext } from 'playwright-core'
import * as assert from 'uvu/assert'
import { startBrowser } from './browser.js'
import { Line } from './line.js'
import { rowsOf } from './proof.js'
import { eventually, idOf, type TestServer } from './server.js'
import { startServer } from './servers.js'
import { bounded } from './test.js'
import { UppySite } from './uppy-site.js'
import { type FileSpec, fallsIn, type Report, sha256Of, UppyTab } from './uppy-tab.js'

const SCENE_WITHIN_MS = 90_000

/** What one test has to itself. */
export interface Scene {
  readonly server: TestServer
  /** Stands between the browser and the server. */
  readonly line: Line
  /** A profile of its own: cookies, storage, connections. */
  readonly context: BrowserContext
  /** Opens a tab; its options of @uppy/tus are the defaults but for `tus`. `query` follows the creation URL. */
  open(tus?: Readonly<Record<string, unknown>>, query?: string): Promise<UppyTab>
}

/** One browser and one site for all the tests of a file. */
export class UppyStage {
  readonly #browser: Browser
  readonly #site: UppySite

  private constructor(browser: Browser, site: UppySite) {
    this.#browser = browser
    this.#site = site
  }

  static async open(): Promise<UppyStage> {
    const site = await UppySite.open()
    return new UppyStage(await startBrowser(), site)
  }

  async close(): Promise<void> {
    this.#site.close()
    await this.#browser.close()
  }

  /** Plays a scene on a server with these flags; what the page's console said is in the error of one that fails. */
  async play(flags: readonly string[], scene: (scene: Scene) => Promise<void>): Promise<void> {
    const server = await startServer(flags)
    const line = await Line.open(server.port)
    const context = await this.#browser.newContext()
    const tabs: UppyTab[] = []
    const open = async (tus: Readonly<Record<string, unknown>> = {}, query = ''): Promise<UppyTab> => {
      const endpoint = `${line.urlOf(server)}${query}`
      const tab = await UppyTab.open(context, this.#site, { endpoint, tus })
      tabs.push(tab)
      return tab
    }
    try {
      await bounded(SCENE_WITHIN_MS, scene({ server, line, context, open }), 'the end of the scene')
    } catch (error) {
      await explain(tabs)
      throw error
    } finally {
      await context.close()
      line.close()
      await server.stop('SIGKILL')
    }
  }
}

async function explain(tabs: readonly UppyTab[]): Promise<void> {
  for (const tab of tabs) {
    console.log(`the page's console: ${JSON.stringify(tab.console, null, 1)}`)
    if (tab.page.isClosed()) continue
    await tab.screenshot('failed').catch(() => {})
    const report = await bounded(5_000, tab.report(), 'the report').catch(() => undefined)
    console.log(`what it asked: ${JSON.stringify(report?.asked.slice(-40))}`)
    console.log(`what failed: ${JSON.stringify(report?.failed)}`)
  }
}

/** Fails unless each file is there, whole, by the digest in its record; and Uppy said so. */
export async function assertArrived(
  server: TestServer,
  { succeeded, failed }: Report,
  files: readonly FileSpec[],
): Promise<void> {
  assert.equal(failed, [])
  assert.equal(succeeded.map(({ file }) => file).sort(), files.map(({ name }) => name).sort())
  for (const spec of files) {
    const url = succeeded.find(({ file }) => file === spec.name)?.url ?? ''
    // The address of one that came with a grant has a key.
    const id = idOf(url.replace(/\?.*/, ''))
    const row = await eventually(30_000, `the finished row of ${spec.name}`, async () => {
      const found = rowsOf(server).get(id)
      return found?.state === 'finished' ? found : undefined
    })
    assert.is(row.sha256, sha256Of(spec), `the digest of ${spec.name}`)
  }
}

/** Fails if a file's progress, or the percentage over all of them, ever went back. */
export function assertNeverBack({ progress, percentages }: Report): void {
  assert.equal(fallsIn(progress), [])
  assert.equal(
    percentages,
    percentages.toSorted((a, b) => a - b),
  )
}

/** Where each PATCH of a file began. */
export function offsetsOf({ asked }: Report, name: string): (number | null)[] {
  return asked.filter(({ file, method }) => file === name && method === 'PATCH').map(({ offset }) => offset)
}

/**
 * Fails if a file's progress fell elsewhere than to the offset that the server has, and tells by how many bytes
 * it fell. The browser counts a byte when the system takes it; what was still in the line when it broke, or was
 * refused, is not stored, and tus-js-client steps back over it.
 */
export function assertBackToStoredOnly(report: Report): void {
  const falls = fallsIn(report.progress)
  for (const { file, to } of falls)
    assert.ok(offsetsOf(report, file).includes(to), `${file} fell to ${to}, where no PATCH began`)
  console.log(`progress fell by ${falls.map(({ from, to }) => from - to).join(', ') || 0} bytes`)
  console.log(`the status bar showed ${report.percentages.join(' ')}`)
}

/** How often each method got each status, as `PATCH 204`; `PATCH 0` is a network error. */
export function answersOf({ asked }: Report): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { method, status } of asked) {
    const key = `${method} ${status}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
