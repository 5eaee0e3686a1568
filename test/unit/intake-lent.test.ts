import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bounded } from '../helpers/test.js'
import { BLOCK_BYTES, opening, SOON_MS, setUp, until } from './intake-place.js'

test('bytes are lent: what waits for a block is a copy, because their memory is used again', async () => {
  const { source, intake, sink } = setUp({}, 1)
  const { gate, open } = opening()
  sink.gate = gate
  const end = intake.drain(sink, 1e6)
  const lent = Buffer.from('a'.repeat(BLOCK_BYTES) + 'b'.repeat(BLOCK_BYTES))
  source.emit('data', lent)
  lent.fill('!')
  open()
  source.end()
  assert.is(await bounded(SOON_MS, end, 'the end'), 'complete')
  assert.is(sink.all, 'a'.repeat(BLOCK_BYTES) + 'b'.repeat(BLOCK_BYTES))
})

test('a body is read only while there is a block for what comes next', async () => {
  const { source, intake, sink, arena } = setUp({}, 1)
  const { gate, open } = opening()
  sink.gate = gate
  const end = intake.drain(sink, 1e6)
  source.write('a'.repeat(BLOCK_BYTES))
  await until('the wait for a block', () => source.isPaused())
  assert.is(intake.roomBytes, 0)
  open()
  await until('the next read', () => !source.isPaused())
  assert.is(intake.roomBytes, BLOCK_BYTES)
  source.end('b')
  assert.is(await bounded(SOON_MS, end, 'the end'), 'complete')
  assert.is(sink.all, `${'a'.repeat(BLOCK_BYTES)}b`)
  assert.is(arena.free, 1)
})

test('a block that is reserved and stays empty is given back', async () => {
  const { source, intake, sink, arena, clock } = setUp({}, 2)
  const end = intake.drain(sink, 1e6)
  source.write('a'.repeat(BLOCK_BYTES))
  await until('the first block', () => sink.all.length === BLOCK_BYTES)
  assert.is(arena.free, 1)
  clock.ms = 1_000
  await until('the reserved block', () => arena.free === 2)
  source.end('b')
  assert.is(await bounded(SOON_MS, end, 'the end'), 'complete')
  assert.is(sink.all, `${'a'.repeat(BLOCK_BYTES)}b`)
  assert.is(arena.free, 2)
})

test.run()
