import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SmallFlushes } from '../../server/files/small-flushes.js'

/** Flushes on a disk that takes so long for each; tells where each was done. */
function place() {
  let nowMs = 1_000
  const done: string[] = []
  const flushes = new SmallFlushes(() => nowMs)
  const flush = async (tookMs: number): Promise<void> => {
    const here = (): void => {
      nowMs += tookMs
      done.push('here')
    }
    const beside = async (): Promise<void> => void done.push('beside')
    await flushes.run(here, beside)
  }
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { flushes, flush, pass, done }
}

test('while the disk is quick the thread flushes itself', async () => {
  const { flush, done } = place()
  for (let i = 0; i < 3; i++) await flush(0.2)
  assert.equal(done, ['here', 'here', 'here'])
})

test('"other uploads go on": after a slow flush the thread waits for none for a hundred times as long', async () => {
  const { flush, pass, done } = place()
  await flush(20)
  await flush(20)
  pass(1_999)
  await flush(20)
  pass(1)
  await flush(20)
  assert.equal(done, ['here', 'beside', 'beside', 'here'])
})

test('a flush that fails rejects with the error of the system, also where it was slow', async () => {
  const { flushes, flush, pass, done } = place()
  const fail = (): void => {
    pass(20)
    throw new Error('EIO')
  }
  const error = await flushes.run(fail, async () => {}).catch((thrown: unknown) => thrown)
  assert.match(String(error), 'EIO')
  await flush(0)
  assert.equal(done, ['beside'])
})

test.run()
