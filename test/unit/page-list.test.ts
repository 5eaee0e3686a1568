import { createContext, runInContext } from 'node:vm'
import { build, stop } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('the list of the page')

/** An element of no document, on which a test can click. */
class HTMLElement {
  hidden = false
  disabled = false
  textContent = ''
  readonly dataset: Record<string, string> = {}
  readonly children = []
  #clicked = (): void => {}

  addEventListener(_kind: string, clicked: () => void): void {
    this.#clicked = clicked
  }

  click(): void {
    this.#clicked()
  }

  append(): void {}
  replaceChildren(): void {}
  setAttribute(): void {}
}

interface Listing {
  readonly uploads: readonly object[]
  readonly cursor: string | null
  readonly total?: number
}

interface List {
  show(): Promise<boolean>
  reloadSoon(): void
}

type ListClass = new (parts: {
  load(query: URLSearchParams, signal: AbortSignal): Promise<Listing>
  filters: { onChange(changed: () => void): void; query(): URLSearchParams; isSet: boolean }
  refused(error: unknown): void
}) => List

/** A request of the list that a test answers. */
interface Asked {
  readonly isCount: boolean
  readonly signal: AbortSignal
  answer(listing: Partial<Listing>): Promise<void>
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
let code = ''

test.before(async () => {
  const { outputFiles } = await build({
    ...{ entryPoints: ['server/page/uploads-list.ts'], bundle: true, write: false, format: 'iife' },
    ...{ globalName: 'parts', target: 'es2022', loader: { '.css': 'empty' }, logLevel: 'error' },
  })
  code = outputFiles[0]?.text ?? ''
  await stop()
})

/** A list that is shown, what it asks for, and its time, which a test lets pass. */
async function shownList() {
  const elements = new Map<string, HTMLElement>()
  const element = (id: string): HTMLElement => {
    const found = elements.get(id) ?? new HTMLElement()
    elements.set(id, found)
    return found
  }
  const asked: Asked[] = []
  let due: (() => void)[] = []
  const context = createContext({
    ...{ AbortController, URL, URLSearchParams, HTMLElement, HTMLButtonElement: HTMLElement },
    ...{ HTMLInputElement: HTMLElement, HTMLFormElement: HTMLElement, HTMLDialogElement: HTMLElement },
    document: { getElementById: element, activeElement: null, createElement: () => new HTMLElement() },
    setInterval: () => 0,
    setTimeout: (work: () => void) => due.push(work),
    clearTimeout: () => {},
  })
  const { UploadsList } = runInContext(`${code}; parts`, context) as { UploadsList: ListClass }
  let filter = (): void => {}
  const list = new UploadsList({
    load: (query, signal) =>
      new Promise((resolve) => {
        const answer = async (listing: Partial<Listing>): Promise<void> => {
          resolve({ uploads: [], cursor: null, ...listing })
          await turn()
        }
        asked.push({ isCount: query.has('total'), signal, answer })
      }),
    filters: {
      onChange: (changed) => {
        filter = changed
      },
      query: () => new URLSearchParams(),
      isSet: false,
    },
    refused: () => {},
  })
  const pass = async (): Promise<void> => {
    const now = due
    due = []
    for (const work of now) work()
    await turn()
  }
  void list.show()
  await asked[0]?.answer({})
  return { list, asked, pass, count: element('count'), filter: () => filter() }
}

test('a count of all goes on while uploads change, and the list is asked for again behind it', async () => {
  const { list, asked, pass, count } = await shownList()
  count.click()
  for (let changes = 0; changes < 3; changes++) {
    list.reloadSoon()
    await pass()
  }
  assert.equal([asked.length, asked[1]?.isCount, asked[1]?.signal.aborted], [2, true, false])
  await asked[1]?.answer({ total: 1_000_000 })
  assert.is(count.textContent, '1,000,000 uploads')
  await pass()
  assert.equal([asked.length, asked[2]?.isCount], [3, false])
})

test('the number stays until the filter or the page changes, which also ends a count', async () => {
  const { list, asked, pass, count, filter } = await shownList()
  count.click()
  await asked[1]?.answer({ total: 32 })
  list.reloadSoon()
  await pass()
  await asked[2]?.answer({})
  assert.is(count.textContent, '32 uploads')
  filter()
  await asked[3]?.answer({})
  assert.is(count.textContent, 'Count all')
  count.click()
  filter()
  assert.is(asked[4]?.signal.aborted, true)
  await asked[5]?.answer({})
  list.reloadSoon()
  await pass()
  assert.equal([asked.length, asked[6]?.isCount], [7, false])
})

test.run()
