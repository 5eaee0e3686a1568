import { createContext, runInContext } from 'node:vm'
import { build, type Plugin, stop } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('the dropper of the page')

/** Uppy without a browser: it keeps what it is given. */
const UPPY = `
  export default class {
    use(_plugin, options) { used.push(options) }
    on(name, listener) { listeners[name] = listener }
    setOptions() {}
  }`
const withoutUppy: Plugin = {
  name: 'without Uppy',
  setup: (plugin) => {
    plugin.onResolve({ filter: /^@uppy\// }, ({ path }) => ({ path, namespace: 'none' }))
    plugin.onLoad({ filter: /\.css$/, namespace: 'none' }, () => ({ contents: '' }))
    plugin.onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: UPPY }))
  },
}

const UPLOADS = 'http://lading.test/files/'

/** An answer of the server, as Uppy has it. */
class XMLHttpRequest {
  constructor(
    readonly status: number,
    readonly responseText: string,
    readonly responseURL: string,
  ) {}
}

/** What a browser keeps for a page. */
class Storage {
  [name: string]: unknown
  getItem(name: string): unknown {
    return this[name]
  }
  removeItem(name: string): void {
    delete this[name]
  }
}

let code = ''

test.before(async () => {
  const { outputFiles } = await build({
    stdin: { contents: `export { Dropper } from './dropper.js'`, resolveDir: 'server/page', loader: 'ts' },
    ...{ bundle: true, write: false, format: 'iife', globalName: 'parts', target: 'es2022' },
    ...{ outdir: 'none', plugins: [withoutUppy], logLevel: 'error' },
  })
  code = outputFiles.find(({ path }) => path.endsWith('.js'))?.text ?? ''
  await stop()
})

function dropper(localStorage: Storage) {
  const used: Record<string, unknown>[] = []
  const listeners: Record<string, (...given: object[]) => void> = {}
  const context = createContext({ used, listeners, localStorage, XMLHttpRequest, Blob })
  const { Dropper } = runInContext(`${code};parts`, context)
  new Dropper({ ...{ endpoint: new URL(UPLOADS), slots: 4, limits: {} }, failed: () => {} })
  return { tus: Object.assign({}, ...used), listeners }
}

/** A browser that keeps two unfinished uploads. */
function twoKept(): Storage {
  const upload = { size: 5, creationTime: new Date().toString(), metadata: { name: 'a.txt' } }
  const storage = new Storage()
  for (const id of ['one', 'two'])
    storage[`tus::${id}`] = JSON.stringify({ ...upload, uploadUrl: `${UPLOADS}${id}` })
  return storage
}

test('an upload that has arrived is not kept as interrupted', () => {
  assert.is(dropper(new Storage()).tus.removeFingerprintOnSuccess, true)
})

for (const [status, text, kept] of [
  [415, 'type_refused: Files of this type are not accepted here', ['tus::two']],
  [410, 'upload_expired: This upload has expired; create a new one', ['tus::two']],
  [503, 'slots_full: All upload slots are taken', ['tus::one', 'tus::two']],
  [401, 'token_missing: Send a token', ['tus::one', 'tus::two']],
] as const)
  test(`an upload that was answered ${status} is ${kept.length === 2 ? 'kept to go on' : 'not kept'}`, () => {
    const storage = twoKept()
    const { listeners } = dropper(storage)
    const xhr = new XMLHttpRequest(status, text, `${UPLOADS}one`)
    listeners['upload-error']?.({ id: 'a' }, {}, { body: { xhr } })
    assert.equal(Object.keys(storage).sort(), kept)
  })

test.run()
