import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bounded } from '../helpers/test.js'
import { BLOCK_BYTES, opening, SOON_MS, setUp, until } from './intake-place.js'

/** What makes our own code throw, and what is done then. */
const OWN_FAULTS: Readonly<Record<string, (parts: ReturnType<typeof setUp>, fault: () => never) => unknown>> =
  {
    'bytes that come': ({ arena, source }, fault) => {
      arena.fill = fault
      source.write('more')
    },
    'the end of the body': ({ clock, source }, fault) => {
      source.pause = fault
      clock.ms = 1
      source.end()
    },
    'the death of the connection': ({ source }, fault) => {
      source.off = fault
      source.destroy()
    },
    'a tick': ({ clock }, fault) => Object.defineProperty(clock, 'ms', { get: fault }),
    'a stop': ({ intake, source }, fault) => {
      source.pause = fault
      intake.stop('taken_over')
    },
    'a block that another body gave back, while the sink is busy': async ({ arena, source, sink }, fault) => {
      const others = [arena.take(), arena.take(), arena.take()]
      const { gate, open } = opening()
      sink.gate = gate
      source.write('x'.repeat(2 * BLOCK_BYTES))
      await until('the pause', () => source.isPaused())
      arena.take = fault
      for (const index of others) arena.give(index ?? 0)
      open()
    },
  }

for (const [what, cause] of Object.entries(OWN_FAULTS)) {
  test(`"a fault in one request's path ends that connection": ${what}`, async () => {
    const parts = setUp()
    const { source, intake, sink, arena } = parts
    const { fill, take } = arena
    const { pause, off } = source
    const seen: unknown[] = []
    source.on('error', (error) => seen.push(error.cause))
    const end = intake.drain(sink, 1000)
    source.write('came before')
    await until('the bytes', () => source.readableLength === 0)
    const thrown = new Error('a deliberate fault')
    await cause(parts, () => {
      Object.assign(arena, { fill, take })
      Object.assign(source, { pause, off })
      throw thrown
    })
    assert.is(await bounded(SOON_MS, end, 'the end'), 'cut')
    assert.equal(seen, [thrown])
    assert.ok(sink.all.startsWith('came before'))
    assert.is(sink.lasts, 1)
    assert.is(arena.free, 4)
  })
}

test.run()
