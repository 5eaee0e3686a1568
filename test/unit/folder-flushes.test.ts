import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FolderFlushes } from '../../server/files/folder-flushes.js'

const test = suite('folder flushes')

/** Flushes that end when the test says so, in the order in which they began. */
function heldFlushes() {
  const begun: Array<{ readonly folder: string; end(): void; fail(error: Error): void }> = []
  const flushes = new FolderFlushes((folder) => {
    return new Promise((resolve, reject) => begun.push({ folder, end: resolve, fail: reject }))
  })
  return { flushes, begun }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('one that runs does for nobody who asks later', async () => {
  const { flushes, begun } = heldFlushes()
  const first = flushes.flush('a')
  let isFlushed = false
  const second = flushes.flush('a').then(() => {
    isFlushed = true
  })
  begun[0]?.end()
  await first
  await turn()
  assert.is(begun.length, 2)
  assert.is(isFlushed, false)
  begun[1]?.end()
  await second
})

test('one that has not begun does for all that ask', async () => {
  const { flushes, begun } = heldFlushes()
  const all = Array.from({ length: 8 }, () => flushes.flush('a'))
  begun[0]?.end()
  await turn()
  begun[1]?.end()
  await Promise.all(all)
  assert.is(begun.length, 2)
  const later = flushes.flush('a')
  assert.is(begun.length, 3)
  begun[2]?.end()
  await later
})

test('folders do not wait for each other', () => {
  const { flushes, begun } = heldFlushes()
  void flushes.flush('a')
  void flushes.flush('b')
  assert.equal(
    begun.map(({ folder }) => folder),
    ['a', 'b'],
  )
})

test('one that fails rejects for those it was for, and the next one is tried', async () => {
  const { flushes, begun } = heldFlushes()
  const first = flushes.flush('a')
  const others = [flushes.flush('a'), flushes.flush('a')]
  begun[0]?.fail(new Error('EIO: the first'))
  await first.then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /the first/),
  )
  await turn()
  begun[1]?.fail(new Error('EIO: the second'))
  for (const other of others)
    await other.then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /the second/),
    )
  const later = flushes.flush('a')
  begun[2]?.end()
  await later
})

test.run()
