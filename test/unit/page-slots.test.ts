import { createContext, runInContext } from 'node:vm'
import { build, stop } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('the places of the page')

interface Shown {
  readonly slots: { readonly taken: number; readonly limit: number; readonly waiting: number }
  readonly active: readonly object[]
}

let slotsOfAllNodes: (status: object) => Shown

test.before(async () => {
  const { outputFiles } = await build({
    ...{ entryPoints: ['server/page/all-slots.ts'], bundle: true, write: false, format: 'iife' },
    ...{ globalName: 'parts', target: 'es2022', logLevel: 'error' },
  })
  await stop()
  slotsOfAllNodes = runInContext(`${outputFiles[0]?.text};parts.slotsOfAllNodes`, createContext({}))
})

const of = (id: string) => ({ id, filename: null, length: 10, offset: 5, bytesPerSecond: 1 })
const own = { slots: { taken: 1, limit: 2, waiting: 3 }, active: [of('a')] }
const cluster = { nodes: [{}, {}], slots: null, active: [of('b'), of('c')] }

/** As `taken of limit, waiting: ids`. */
function words(status: object): string {
  const { slots, active } = slotsOfAllNodes(status)
  const ids = active.map((each) => Reflect.get(each, 'id')).join(' ')
  return `${slots.taken} of ${slots.limit}, ${slots.waiting}: ${ids}`
}

test('a server alone shows its own slots', () => {
  assert.is(words({ ...own, cluster: null }), '1 of 2, 3: a')
})

test('"active uploads of other nodes on the page\'s row of places": all nodes have the same settings', () => {
  assert.is(words({ ...own, cluster }), '3 of 4, 3: a b c')
  assert.is(words({ ...own, cluster: { ...cluster, nodes: null } }), '2 of 2, 3: a b c')
})

test('with --cluster-slots there is a place for each of its slots', () => {
  assert.is(words({ ...own, cluster: { ...cluster, slots: { taken: 4, limit: 5 } } }), '4 of 5, 3: a b c')
  assert.is(words({ ...own, cluster: { ...cluster, slots: { taken: null, limit: 5 } } }), '3 of 5, 3: a b c')
})

test.run()
