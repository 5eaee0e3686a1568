import { createContext, runInContext } from 'node:vm'
import { build, stop } from 'esbuild'
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
  readonly dataset = {}
  readonly attributes = new Map<string, string>()
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

interface Parts {
  Live: new (parts: {
    open(): Promise<never>
    changed(): void
    missed(): void
    connected(isConnected: boolean): void
  }) => { start(): void }
  Operator: new (api: { status(): Promise<object> }) => { show(): Promise<boolean> }
  Refusal: new (status: number, text: string) => Error
  SentFiles: new (
    grantId: string,
    panel: HTMLElement,
  ) => { readonly count: number; add(name: string, size: number, sha256: string | undefined): void }
  Session: new () => { key: string | null }
  showInterrupted(panel: HTMLElement, endpoint: URL): void
}

const SOURCE = `
  export { Live } from './live.js'
  export { Operator } from './operator.js'
  export { Refusal } from './refusal.js'
  export { SentFiles } from './sent-files.js'
  export { Session } from './session.js'
  export { showInterrupted } from './interrupted.js'
`
let code = ''

test.before(async () => {
  const { outputFiles } = await build({
    stdin: { contents: SOURCE, resolveDir: 'server/page', loader: 'ts' },
    ...{ bundle: true, write: false, format: 'iife', globalName: 'parts', target: 'es2022' },
  })
  code = outputFiles[0]?.text ?? ''
  await stop()
})

/** Time that passes only when it is told to. */
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

function load(globals: object = {}): Parts {
  const document = {
    ...{ hidden: false, documentElement: new HTMLElement(), addEventListener: () => {} },
    ...{ getElementById: () => new HTMLElement(), createElement: () => new HTMLElement() },
    createElementNS: () => new HTMLElement(),
  }
  const own: PropertyDescriptorMap = Object.getOwnPropertyDescriptors(globals)
  const context = createContext(Object.defineProperties({ document, HTMLElement }, own))
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
  const { Live, Refusal } = load({ ...clock.globals, AbortController })
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
