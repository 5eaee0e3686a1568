import { createContext, runInContext } from 'node:vm'
import { build, type Plugin, stop } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('parts of the page')

const STATUS = {
  version: '1',
  slots: { taken: 0, limit: 2, waiting: 0 },
  disk: { freeBytes: 1 },
  active: [],
}

/** An element of no document: it keeps what the parts of the page set, and shows nothing. */
class HTMLElement {
  hidden = false
  textContent = ''
  readonly dataset: Record<string, string> = {}
  readonly attributes = new Map<string, string>()
  readonly children = []
  addEventListener(): void {}
  append(): void {}
  replaceChildren(): void {}
  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null
  }
  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value)
  }
}

/** The data of a form whose fields are empty. */
class NoFields extends Map<string, string> {
  constructor(_form: HTMLElement) {
    super()
  }
}

interface Parts {
  Api: new (root: URL, key: () => string) => { headers(): Record<string, string> }
  Live: new (parts: {
    open(): Promise<never>
    changed(): void
    missed(): void
    connected(isConnected: boolean): void
  }) => { start(): void }
  Operator: new (api: {
    status(): Promise<object>
  }) => { show(): Promise<boolean>; connected(isConnected: boolean): void }
  Refusal: new (status: number, text: string) => Error
  SentFiles: new (
    grantId: string,
    panel: HTMLElement,
  ) => { readonly count: number; add(name: string, size: number, sha256: string | undefined): void }
  Session: new () => { key: string | null }
  showInterrupted(panel: HTMLElement, endpoint: URL): void
  /** Runs the page itself. */
  open(): Promise<unknown>
}

const SETTINGS = { basePath: '/files', maxSizeBytes: 1, accept: [], slots: 2, needsToken: false }
const SOURCE = `
  export { Api } from './api.js'
  export { Live } from './live.js'
  export { Operator } from './operator.js'
  export { Refusal } from './refusal.js'
  export { SentFiles } from './sent-files.js'
  export { Session } from './session.js'
  export { showInterrupted } from './interrupted.js'
  export const open = () => import('./main.js')
`
/** Uppy needs a whole browser. */
const withoutUppy: Plugin = {
  name: 'without Uppy',
  setup: (plugin) => {
    plugin.onResolve({ filter: /\/dropper\.js$/ }, ({ path }) => ({ path, namespace: 'none' }))
    plugin.onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: 'export class Dropper {}' }))
  },
}
let code = ''

test.before(async () => {
  const { outputFiles } = await build({
    stdin: { contents: SOURCE, resolveDir: 'server/page', loader: 'ts' },
    ...{ bundle: true, write: false, format: 'iife', globalName: 'parts', target: 'es2022' },
    ...{ loader: { '.css': 'empty' }, plugins: [withoutUppy], logLevel: 'error' },
  })
  code = outputFiles[0]?.text ?? ''
  await stop()
})

/** A clock that only the test moves. */
class Clock {
  nowMs = 0
  readonly #due = new Map<number, { readonly atMs: number; readonly work: () => void }>()
  #last = 0

  readonly globals = {
    performance: { now: () => this.nowMs },
    setInterval: () => 0,
    setTimeout: (work: () => void, ms: number) => {
      this.#last += 1
      this.#due.set(this.#last, { atMs: this.nowMs + ms, work })
      return this.#last
    },
    clearTimeout: (id: number) => void this.#due.delete(id),
  }

  /** Lets a second pass so many times, each with all that is due in it. */
  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      this.nowMs += 1_000
      await new Promise((resolve) => setImmediate(resolve))
      for (const [id, { atMs, work }] of [...this.#due]) {
        if (atMs > this.nowMs || !this.#due.delete(id)) continue
        work()
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
}

/** Loads the page's code; `elements` gets those that it asks for, by their ids. */
function load(globals: object = {}, elements = new Map<string, HTMLElement>()): Parts {
  const document = {
    ...{ hidden: false, documentElement: new HTMLElement(), addEventListener: () => {} },
    ...{ createElement: () => new HTMLElement(), createElementNS: () => new HTMLElement() },
    querySelectorAll: () => [],
    getElementById: (id: string) => {
      const found = elements.get(id) ?? new HTMLElement()
      elements.set(id, found)
      return found
    },
  }
  document.documentElement.dataset.settings = JSON.stringify(SETTINGS)
  const kinds = ['', 'Form', 'Input', 'Button', 'Dialog'].map((kind) => [`HTML${kind}Element`, HTMLElement])
  const web = {
    AbortController,
    URL,
    URLSearchParams,
    FormData: NoFields,
    location: { href: 'http://lading.test/' },
  }
  const own: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(globals)
  const context = createContext(
    Object.defineProperties({ document, ...web, ...Object.fromEntries(kinds) }, own),
  )
  return runInContext(`${code};parts`, context)
}

test('"The slots are drawn as a row of places, live": also after a key was forgotten and entered again', async () => {
  const clock = new Clock()
  const { Operator, Refusal } = load(clock.globals)
  let asked = 0
  let hasKey = true
  const status = async (): Promise<object> => {
    asked += 1
    if (!hasKey) throw new Refusal(401, 'admin_key_needed: Send the admin key')
    return STATUS
  }
  const operator = new Operator({ status })
  assert.ok(await operator.show())
  hasKey = false
  assert.not(await operator.show())
  asked = 0
  await clock.pass(60)
  assert.is(asked, 0, 'who is refused does not ask again')
  hasKey = true
  assert.ok(await operator.show())
  await clock.pass(60)
  assert.ok(asked > 2, `the status was asked for ${asked} times in a minute`)
})

test('who may not read the events any more hears it: the list is asked for, and asks for a key', async () => {
  const clock = new Clock()
  const { Live, Refusal } = load(clock.globals)
  const seen = { opened: 0, missed: 0, isConnected: true }
  const live = new Live({
    open: async () => {
      seen.opened += 1
      throw new Refusal(401, 'token_expired: The token has expired')
    },
    changed: () => {},
    missed: () => {
      seen.missed += 1
    },
    connected: (isConnected) => {
      seen.isConnected = isConnected
    },
  })
  live.start()
  await clock.pass(60)
  assert.equal(seen, { opened: 1, missed: 1, isConnected: false })
})

test('a key that no header can have is sent all the same, so that the server says that it is wrong', () => {
  const { Api } = load()
  assert.ok(new Headers(new Api(new URL('http://lading.test'), () => 'a\u200bkey…').headers()))
})

test('says that nothing is live while the events do not come', async () => {
  const clock = new Clock()
  const elements = new Map<string, HTMLElement>()
  const { Operator } = load(clock.globals, elements)
  const operator = new Operator({ status: async () => STATUS })
  await operator.show()
  const health = (): unknown => [elements.get('health')?.hidden, elements.get('health')?.textContent]
  const usual = [false, '1 B free on disk · Lading 1']
  assert.equal(health(), usual)
  operator.connected(false)
  assert.equal(health(), [false, 'No connection to the server: what is shown may be old.'])
  operator.connected(true)
  await clock.pass(1)
  assert.equal(health(), usual)
})

test('a page that was opened while the server could not be reached is whole once it can', async () => {
  const clock = new Clock()
  const asked: string[] = []
  let isDown = true
  const fetch = async ({ pathname }: URL): Promise<object> => {
    if (isDown) throw new TypeError('fetch failed')
    asked.push(pathname)
    const json = pathname === '/api/status' ? STATUS : { uploads: [], cursor: null }
    return { ok: true, body: null, json: async () => json }
  }
  const shown = new Map<string, HTMLElement>()
  const storage = { getItem: () => null }
  const page = load({ ...clock.globals, fetch, TypeError, sessionStorage: storage, localStorage: {} }, shown)
  await page.open()
  await clock.pass(20)
  assert.is(shown.get('list-message')?.textContent, 'The server cannot be reached.')
  isDown = false
  await clock.pass(20)
  assert.ok(asked.includes('/api/events'), `asked for: ${asked}`)
  const parts = ['uploads-tools', 'activity', 'new-drop-link'].map((id) => shown.get(id)?.hidden)
  assert.equal(parts, [false, false, false])
})

const denied = {
  get localStorage(): never {
    throw new Error('SecurityError: access is denied for this document')
  },
  get sessionStorage(): never {
    throw new Error('SecurityError: access is denied for this document')
  },
}
const full = {
  getItem: () => null,
  removeItem: () => {},
  setItem: () => {
    throw new Error('QuotaExceededError')
  },
}

for (const [how, globals] of [
  ['that keeps nothing', denied],
  ['that has no room', { localStorage: full, sessionStorage: full }],
] as const)
  test(`the page works in a browser ${how}`, () => {
    const { SentFiles, Session, showInterrupted } = load(globals)
    const session = new Session()
    assert.is(session.key, null)
    session.key = 'a key'
    assert.is(session.key, 'a key')
    const panel = new HTMLElement()
    const sent = new SentFiles('an id', panel)
    sent.add('a.txt', 1, undefined)
    assert.equal([sent.count, panel.hidden], [1, false])
    showInterrupted(panel, new URL('http://lading.test/files'))
    assert.is(panel.hidden, true)
  })

test.run()
