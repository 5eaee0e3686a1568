import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BrowserContext, Page } from 'playwright-core'
import type { Drive, FileSpec, PageSettings, Progress, Report } from '../clients/uppy-page/drive.js'
import { bounded } from './test.js'
import type { UppySite } from './uppy-site.js'

export type { FileSpec, Report } from '../clients/uppy-page/drive.js'

const ARTIFACTS = fileURLToPath(new URL('../../../test-artifacts', import.meta.url))
/** Where screenshots go, one for each state, the newest run's; git ignores them. */
const SCREENSHOTS = join(process.env.TEST_ARTIFACTS ?? ARTIFACTS, 'uppy')
const ANSWER_WITHIN_MS = 30_000

/** A tab with Uppy in it. */
export class UppyTab {
  readonly page: Page
  /** What the page's console and its uncaught errors said. */
  readonly console: string[] = []

  private constructor(page: Page) {
    this.page = page
    page.on('console', (message) => {
      if (message.type() === 'error') this.console.push(message.text())
    })
    page.on('pageerror', (error) => this.console.push(`uncaught: ${error.message}`))
    page.on('crash', () => this.console.push('the page crashed'))
  }

  static async open(context: BrowserContext, site: UppySite, settings: PageSettings): Promise<UppyTab> {
    const tab = new UppyTab(await context.newPage())
    const query = new URLSearchParams({ settings: JSON.stringify(settings) })
    await tab.page.goto(`${site.origin}/?${query}`, { timeout: ANSWER_WITHIN_MS })
    await tab.page.waitForSelector('.uppy-Dashboard-inner', { timeout: ANSWER_WITHIN_MS })
    return tab
  }

  /** Adds files and starts to upload them. */
  async upload(files: readonly FileSpec[]): Promise<void> {
    await this.#tell('add', files)
    await this.#tell('start')
  }

  async cancel(): Promise<void> {
    await this.#tell('cancel')
  }

  report(): Promise<Report> {
    return this.#tell('report')
  }

  /** What the page saw once Uppy has brought so many files to an end, good or bad. */
  async ended(files: number, withinMs: number): Promise<Report> {
    await bounded(withinMs, this.#tell('ended', files), `the end of ${files} files`)
    return this.report()
  }

  /** Resolves when the page's report looks as it is wanted. */
  async until(withinMs: number, what: string, wanted: (report: Report) => boolean): Promise<Report> {
    const endMs = Date.now() + withinMs
    for (;;) {
      const report = await this.report()
      if (wanted(report)) return report
      if (Date.now() > endMs) throw new Error(`${what} did not come within ${withinMs} ms`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** Keeps what the user sees now. */
  async screenshot(state: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true })
    await this.page.screenshot({ path: join(SCREENSHOTS, `${state}.png`), timeout: ANSWER_WITHIN_MS })
  }

  async #tell<K extends keyof Drive>(
    name: K,
    ...values: Parameters<Drive[K]>
  ): Promise<Awaited<ReturnType<Drive[K]>>> {
    const call = `drive.${name}(...${JSON.stringify(values)})`
    const text = await this.page.evaluate(
      `Promise.resolve(${call}).then((told) => JSON.stringify(told ?? null))`,
    )
    return JSON.parse(String(text))
  }
}

/** `count` files of so many bytes, none like another. */
export function filesOf(count: number, bytes: number, name = 'file'): FileSpec[] {
  return Array.from({ length: count }, (_, index) => {
    const number = String(index + 1).padStart(2, '0')
    return {
      name: `${name}-${number}.bin`,
      type: 'application/octet-stream',
      bytes,
      head: `\0\0\0\0${name} ${number}`,
    }
  })
}

const BLOCK = Buffer.from(Array.from({ length: 2 ** 20 }, (_, index) => (index * 31 + (index >> 8)) % 251))

/** SHA-256, in lower-case hex, of the file that the page makes. */
export function sha256Of({ head, bytes }: FileSpec): string {
  const first = Buffer.from(head, 'latin1').subarray(0, bytes)
  const hash = createHash('sha256').update(first)
  for (let left = bytes - first.length; left > 0; left -= BLOCK.length) hash.update(BLOCK.subarray(0, left))
  return hash.digest('hex')
}

/** A step of a file's progress that went back. */
export interface Fall {
  readonly file: string
  readonly from: number
  readonly to: number
}

/** Every step back in what Uppy told of its files. */
export function fallsIn(progress: readonly Progress[]): Fall[] {
  const last = new Map<string, number>()
  return progress.flatMap(({ file, bytes }) => {
    const from = last.get(file) ?? 0
    last.set(file, bytes)
    return bytes < from ? [{ file, from, to: bytes }] : []
  })
}
