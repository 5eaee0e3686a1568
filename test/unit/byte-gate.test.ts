import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ByteGate } from '../../server/files/byte-gate.js'

/** Work that ends when the test says so. */
function held(): { work: () => Promise<void>; end: () => void } {
  let end = (): void => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return { work: () => ended, end }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('what waits has not made its bytes', async () => {
  const gate = new ByteGate(1000)
  let made = 0
  const make = (): string => {
    made += 1
    return 'x'.repeat(400)
  }
  const holds = Array.from({ length: 50 }, held)
  const all = holds.map(({ work }) => gate.run(make, work))
  await turn()
  assert.is(made, 3)
  assert.ok(gate.bytes < 1000 + 400, `${gate.bytes} bytes`)
  for (const { end } of holds) end()
  await Promise.all(all)
  assert.is(made, 50)
  assert.is(gate.bytes, 0)
})

test('work is let through in the order asked', async () => {
  const gate = new ByteGate(1)
  const order: number[] = []
  const all = [0, 1, 2, 3].map((i) =>
    gate.run(
      () => 'text',
      async () => void order.push(i),
    ),
  )
  await Promise.all(all)
  assert.equal(order, [0, 1, 2, 3])
})

test('several small ones go on once a large one has ended', async () => {
  const gate = new ByteGate(1000)
  const large = held()
  const first = gate.run(() => 'x'.repeat(5000), large.work)
  let begun = 0
  const small = Array.from({ length: 5 }, held)
  const others = small.map(({ work }) =>
    gate.run(
      () => 'x',
      () => {
        begun += 1
        return work()
      },
    ),
  )
  await turn()
  assert.is(begun, 0)
  large.end()
  await first
  await turn()
  assert.is(begun, 5)
  for (const { end } of small) end()
  await Promise.all(others)
})

test('work that fails gives its bytes back', async () => {
  const gate = new ByteGate(10)
  const failed = await gate
    .run(
      () => 'x'.repeat(20),
      () => Promise.reject(new Error('no')),
    )
    .catch((error: unknown) => error)
  assert.instance(failed, Error)
  const thrown = await gate
    .run(
      () => {
        throw new Error('no text')
      },
      async () => {},
    )
    .catch((error: unknown) => error)
  assert.instance(thrown, Error)
  assert.is(gate.bytes, 0)
  await gate.run(
    () => 'x',
    async () => {},
  )
})

test.run()
