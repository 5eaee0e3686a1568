import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { startBrowser } from './browser.js'
import { Line } from './line.js'
import { eventually, send, type TestServer } from './server.js'
import { startServer } from './servers.js'

const WITHIN_MS = 30_000
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const ARTIFACTS = fileURLToPath(new URL('../../../test-artifacts', import.meta.url))
/** Where screenshots go, one for each state, the newest run's; git ignores them. */
const SCREENSHOTS = join(process.env.TEST_ARTIFACTS ?? ARTIFACTS, 'page')

/** A server, a browser, and a line between them that can be slow and down. */
export class PagePlace {
  readonly server: TestServer
  readonly line: Line
  readonly #browser: Browser

  private constructor(server: TestServer, line: Line, browser: Browser) {
    this.server = server
    this.line = line
    this.#browser = browser
  }

  static async open(flags: readonly string[] = []): Promise<PagePlace> {
    const server = await startServer(flags)
    return new PagePlace(server, await Line.open(server.port), await startBrowser())
  }

  async close(): Promise<void> {
    await this.#browser.close()
    this.line.close()
    await this.server.stop('SIGKILL')
  }

  /** The page's address by the line. */
  get address(): string {
    return `http://127.0.0.1:${this.line.port}/`
  }

  /** A profile of its own. */
  profile(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    return this.#browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  }

  /** Opens the page, or another address, in a profile. */
  async tab(context: BrowserContext, address = this.address): Promise<PageTab> {
    const tab = new PageTab(await context.newPage())
    await tab.page.goto(address, { timeout: WITHIN_MS })
    return tab
  }

  /** What `GET` of an address of the API answers. */
  async api(path: string, headers: Record<string, string> = {}): Promise<unknown> {
    return JSON.parse((await send(this.server.origin, { method: 'GET', path, headers })).text)
  }
}

/** A tab with the page in it. */
export class PageTab {
  readonly page: Page
  /** What its console and its uncaught errors said, violations of the policy among them. */
  readonly console: string[] = []

  constructor(page: Page) {
    this.page = page
    page.setDefaultTimeout(WITHIN_MS)
    page.on('console', (message) => {
      if (message.type() === 'error') this.console.push(message.text())
    })
    page.on('pageerror', (error) => this.console.push(`uncaught: ${error.message}`))
  }

  /** Chooses files, or one folder, in the Dashboard. */
  async choose(paths: string | readonly string[]): Promise<void> {
    const kind = typeof paths === 'string' ? '[webkitdirectory]' : ':not([webkitdirectory])'
    const input = this.page.locator(`input.uppy-Dashboard-input${kind}`).first()
    await input.setInputFiles(typeof paths === 'string' ? paths : [...paths])
  }

  /** Drops files that the page makes for itself: of so many bytes, each with its name in front. */
  async drop(names: readonly string[], bytes: number): Promise<void> {
    await this.page.evaluate(`(() => {
      const transfer = new DataTransfer()
      for (const name of ${JSON.stringify(names)})
        transfer.items.add(new File([name, new Uint8Array(${bytes} - name.length)], name, { lastModified: 1 }))
      const target = document.querySelector('.uppy-Dashboard-inner')
      for (const kind of ['dragover', 'drop'])
        target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }))
    })()`)
  }

  /** The names in the places that are taken. */
  async taken(): Promise<string[]> {
    return (await this.#texts('.place[data-state=taken] .place-name')).sort()
  }

  /** Each upload in the list: its name and what its badge says. */
  async listed(): Promise<[name: string, state: string][]> {
    const texts = await this.#texts('#rows :is(.name, .badge)')
    return texts.flatMap((name, index) => (index % 2 === 0 ? [[name, texts[index + 1] ?? '']] : []))
  }

  /** All in one moment: what changes meanwhile is not half seen. */
  async #texts(selector: string): Promise<string[]> {
    const query = `document.querySelectorAll(${JSON.stringify(selector)})`
    const found: unknown = await this.page.evaluate(`Array.from(${query}, ({ textContent }) => textContent)`)
    return Array.isArray(found) ? found.map(String) : []
  }

  /** What is said of a file that was sent from this tab; undefined for nothing. */
  async said(name: string): Promise<string | undefined> {
    const entry = this.page.locator('.arrival', { has: this.page.getByText(name, { exact: true }) })
    return (await entry.locator('.arrival-state').allTextContents())[0]
  }

  /** Resolves when so many files are verified. */
  async verified(count: number): Promise<void> {
    await eventually(2 * WITHIN_MS, `${count} verified files`, async () => {
      return (await this.page.locator('.arrival[data-kind=verified]').count()) === count ? true : undefined
    })
  }

  /** What axe-core finds wrong with what is shown now, one line each. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(AXE)
    const found: unknown = await this.page.evaluate(
      `axe.run().then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html)))`,
    )
    return Array.isArray(found) ? found.map(String) : ['axe gave no list']
  }

  /** Keeps what the user sees now. */
  async screenshot(state: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true })
    await this.page.screenshot({ path: join(SCREENSHOTS, `${state}.png`), fullPage: true })
  }
}
