import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bounded } from '../helpers/test.js'
import { BLOCK_BYTES, opening, SOON_MS, setUp, until } from './intake-place.js'

/**
 * Two bodies that share an arena: the first has every block and waits for one more, for `waitingBytes` that came or for
 * what is still to come; the second waits behind it.
 */
async function twoBodies(blocks: number, waitingBytes = BLOCK_BYTES) {
  const first = setUp({}, blocks)
  const second = setUp({}, blocks, first.arena)
  const { gate, open } = opening()
  first.sink.gate = gate
  const ends = { first: first.intake.drain(first.sink, 1e6), second: second.intake.drain(second.sink, 1e6) }
  first.source.write('x'.repeat(blocks * BLOCK_BYTES + waitingBytes))
  await until('the wait of the first', () => first.arena.free === 0 && first.source.isPaused())
  second.source.write('second')
  await until('the wait of the second', () => second.source.isPaused())
  return { arena: first.arena, first, second, ends, open }
}

async function assertSecondGoesOn(
  { arena, second, ends }: Awaited<ReturnType<typeof twoBodies>>,
  blocks: number,
) {
  second.source.end(' and last')
  assert.is(await bounded(SOON_MS, ends.second, 'the end of the second'), 'complete')
  assert.is(second.sink.all, 'second and last')
  assert.is(second.sink.lasts, 1)
  assert.is(arena.free, blocks)
}

for (const blocks of [1, 3]) {
  test(`"The arena bounds memory": a body that fails while it waits for a block keeps none from the next, of ${blocks}`, async () => {
    const bodies = await twoBodies(blocks)
    bodies.first.sink.failWith = new Error('the disk is full')
    bodies.open()
    const failed = await bounded(
      SOON_MS,
      bodies.ends.first.catch((error: unknown) => error),
      'the failure of the first',
    )
    assert.is(failed, bodies.first.sink.failWith)
    await assertSecondGoesOn(bodies, blocks)
  })

  test(`"The arena bounds memory": a body that is ended while it waits stores what came, and the next goes on, of ${blocks}`, async () => {
    const bodies = await twoBodies(blocks)
    bodies.first.intake.stop('taken_over')
    bodies.open()
    assert.is(await bounded(SOON_MS, bodies.ends.first, 'the end of the first'), 'taken_over')
    assert.is(bodies.first.sink.all.length, (blocks + 1) * BLOCK_BYTES)
    await assertSecondGoesOn(bodies, blocks)
  })
}

test('a body that is ended while it waits to read on keeps no block from the next', async () => {
  const bodies = await twoBodies(1, 0)
  bodies.first.intake.stop('taken_over')
  bodies.open()
  assert.is(await bounded(SOON_MS, bodies.ends.first, 'the end of the first'), 'taken_over')
  assert.is(bodies.first.sink.all.length, BLOCK_BYTES)
  await assertSecondGoesOn(bodies, 1)
})

test('"a fault in one request\'s path ends that connection": our own fault in a body that waits for a block keeps none from the next', async () => {
  const bodies = await twoBodies(1)
  const { first, ends, open } = bodies
  first.source.on('error', () => {})
  const { pause } = first.source
  first.source.pause = () => {
    first.source.pause = pause
    throw new Error('a deliberate fault')
  }
  first.intake.stop('taken_over')
  open()
  assert.is(await bounded(SOON_MS, ends.first, 'the end of the first'), 'cut')
  await assertSecondGoesOn(bodies, 1)
})

test('a body that fails with a block half full gives it back', async () => {
  const { arena, source, intake, sink } = setUp({}, 2)
  const { gate, open } = opening()
  sink.gate = gate
  sink.failWith = new Error('the disk is full')
  const end = intake.drain(sink, 1e6).catch((error: unknown) => error)
  source.write('x'.repeat(BLOCK_BYTES + 3))
  await until('a full and a half block', () => arena.free === 0)
  open()
  assert.is(await bounded(SOON_MS, end, 'the failure'), sink.failWith)
  assert.is(arena.free, 2)
})

test.run()
