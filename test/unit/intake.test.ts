import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bounded } from '../helpers/test.js'
import { BLOCK_BYTES, opening, SOON_MS, setUp, until } from './intake-place.js'

test('hands on every byte in order, whatever the chunks, with the last batch told once', async () => {
  const { arena, source, intake, sink } = setUp()
  const text = 'The quick brown fox jumps over the lazy dog, again and again and again.'
  const end = intake.drain(sink, text.length)
  for (let at = 0; at < text.length; at += 7) source.write(text.slice(at, at + 7))
  source.end()
  assert.is(await bounded(SOON_MS, end, 'the end'), 'complete')
  assert.is(sink.all, text)
  assert.is(sink.lasts, 1)
  assert.is(arena.free, 4)
})

test('takes a chunk that spans many blocks although none is free, and does not end before its last byte', async () => {
  const { arena, source, intake, sink } = setUp({}, 2)
  const text = 'x'.repeat(10 * BLOCK_BYTES + 3)
  const end = intake.drain(sink, text.length + 1)
  source.write(text)
  await until('the pause', () => source.isPaused())
  intake.stop('taken_over')
  assert.is(await bounded(SOON_MS, end, 'the end'), 'taken_over')
  assert.is(sink.all.length, text.length)
  assert.is(sink.lasts, 1)
  assert.is(arena.free, 2)
})

test('does not read the socket while every block is taken, and reads on when one comes back', async () => {
  const { arena, source, intake, sink } = setUp({}, 1)
  const other = arena.take()
  const end = intake.drain(sink, 100)
  source.write('held')
  await until('the pause', () => source.isPaused())
  assert.is(sink.batches.length, 0)
  arena.give(other ?? 0)
  source.end()
  assert.is(await bounded(SOON_MS, end, 'the end'), 'complete')
  assert.is(sink.all, 'held')
})

test('gathers what comes while the sink is busy into one batch', async () => {
  const { source, intake, sink } = setUp()
  const { gate, open } = opening()
  sink.gate = gate
  const end = intake.drain(sink, 1000)
  source.write('a'.repeat(BLOCK_BYTES))
  source.write('b'.repeat(BLOCK_BYTES))
  source.write('c'.repeat(BLOCK_BYTES))
  source.end('d')
  await bounded(SOON_MS, new Promise((resolve) => source.once('end', resolve)), 'the end of the source')
  open()
  await bounded(SOON_MS, end, 'the end')
  assert.is(sink.batches[0], 'a'.repeat(BLOCK_BYTES))
  assert.is(sink.batches[1], `${'b'.repeat(BLOCK_BYTES)}${'c'.repeat(BLOCK_BYTES)}d`)
})

test('of a body that runs over its room, hands on every byte that fits and none behind it', async () => {
  const bodies = [
    ['aaaabbbbccccddddeeeef'],
    ['aaaabbbbccccdddd', 'eeee', 'f'],
    ['aaaabbbb', 'ccccddddeeeeffff'.repeat(9)],
  ]
  for (const blocks of [1, 4]) {
    for (const chunks of bodies) {
      const { arena, source, intake, sink } = setUp({}, blocks)
      const end = intake.drain(sink, 20)
      for (const chunk of chunks) source.write(chunk)
      assert.is(await bounded(SOON_MS, end, 'the end'), 'overrun')
      assert.is(sink.all, 'aaaabbbbccccddddeeee')
      assert.is(sink.lasts, 1)
      assert.is(arena.free, blocks)
    }
  }
})

test('time in which no block was free is not held against the sender, and ends with it', async () => {
  const { arena, source, clock, intake, sink } = setUp({ idleTimeoutMs: 5000 }, 1)
  const other = arena.take()
  const end = intake.drain(sink, 100)
  source.write('held')
  await until('the pause', () => source.isPaused())
  clock.ms = 60_000
  await checks(clock)
  arena.give(other ?? 0)
  await until('the bytes', () => !source.isPaused())
  clock.ms = 64_999
  await checks(clock)
  assert.is(sink.all, 'held')
  clock.ms = 65_000
  assert.is(await bounded(SOON_MS, end, 'the end'), 'idle')
})

test('a byte at a time does not keep a slot, although each is looked at before the next is read', async () => {
  const { source, clock, intake, sink } = setUp({ idleTimeoutMs: 30_000, minRateBytesPerMinute: 64 })
  sink.wantsFirstBytes = 512
  let end = ''
  void intake.drain(sink, 1000).then((how) => {
    end = how
  })
  for (let sent = 0; end === '' && sent < 40; sent++) {
    source.write('a')
    await until('the byte', () => source.readableLength === 0)
    clock.ms += 6_000
    await until('its batch, or the end', () => end !== '' || sink.all.length > sent)
  }
  assert.is(end, 'slow')
  assert.is(clock.ms, 60_000)
})

test('shows the first bytes the sink wants, and reads no more until it has decided', async () => {
  const { source, intake, sink } = setUp()
  const { gate, open } = opening()
  sink.gate = gate
  sink.wantsFirstBytes = 4
  const end = intake.drain(sink, 1000)
  source.write('head!')
  await until('the pause', () => source.isPaused())
  source.write('more')
  open()
  source.end()
  await bounded(SOON_MS, end, 'the end')
  assert.is(sink.batches[0], 'head!')
  assert.is(sink.all, 'head!more')
})

test("gives every block back and rejects with the sink's error", async () => {
  const { arena, source, intake, sink } = setUp()
  sink.failWith = new Error('the disk is full')
  const end = intake.drain(sink, 1000)
  source.write('a'.repeat(3 * BLOCK_BYTES + 1))
  const error = await bounded(
    SOON_MS,
    end.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
    'the error',
  )
  assert.is(error, sink.failWith)
  assert.is(arena.free, 4)
})

test('keeps what arrived when the connection dies', async () => {
  const { source, intake, sink } = setUp()
  const end = intake.drain(sink, 1000)
  source.write('all there is')
  await until('the bytes', () => source.readableLength === 0)
  source.destroy()
  assert.is(await bounded(SOON_MS, end, 'the end'), 'cut')
  assert.is(sink.all, 'all there is')
})

test('keeps what arrived when the connection dies before its body is wanted, and while it is not read', async () => {
  const early = setUp()
  early.source.write('came early')
  early.source.destroy()
  assert.is(await bounded(5_000, early.intake.drain(early.sink, 1e6), 'the end of an early death'), 'cut')
  assert.is(early.sink.all, 'came early')

  const { source, intake, sink, arena } = setUp({}, 2)
  const { gate, open } = opening()
  sink.gate = gate
  const drained = intake.drain(sink, 1e6)
  const text = 'x'.repeat(BLOCK_BYTES * 2) + 'y'.repeat(BLOCK_BYTES * 3)
  for (let at = 0; at < text.length; at += 8) source.write(text.slice(at, at + 8))
  await new Promise((resolve) => setImmediate(resolve))
  source.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  open()
  assert.is(await bounded(5_000, drained, 'the end'), 'cut')
  assert.is(sink.all, text)
  assert.is(arena.free, 2)
})

test('an intake that was stopped before it began reads nothing', async () => {
  const { source, intake, sink } = setUp()
  source.write('unread')
  intake.stop('shutting_down')
  assert.is(await bounded(SOON_MS, intake.drain(sink, 1000), 'the end'), 'shutting_down')
  assert.is(sink.all, '')
  assert.is(sink.lasts, 1)
})

test('a block goes on after half a second although it is not full', async () => {
  const { source, clock, intake, sink } = setUp()
  const end = intake.drain(sink, 1000)
  source.write('slow')
  await until('the bytes', () => source.readableLength === 0)
  clock.ms = 500
  await until('the batch', () => sink.batches.length > 0)
  assert.is(sink.all, 'slow')
  source.end()
  await end
})

test('ends with `idle` when nothing comes for the idle time-out', async () => {
  const { clock, intake, sink } = setUp({ idleTimeoutMs: 5000 })
  const end = intake.drain(sink, 1000)
  clock.ms = 5000
  assert.is(await bounded(SOON_MS, end, 'the end'), 'idle')
})

/** Waits until the pace was checked: each check reads the clock, and little else does. */
async function checks(clock: { readonly reads: number }): Promise<void> {
  const since = clock.reads
  await until('the checks of the pace', () => clock.reads >= since + 10)
}

test('a sink that takes it gets the last batch while it writes the one before, and the body ends with both', async () => {
  const { source, intake, sink, arena } = setUp()
  const { gate, open } = opening()
  sink.takesLastAtOnce = true
  sink.gate = gate
  const end = intake.drain(sink, 1e6)
  source.write('x'.repeat(BLOCK_BYTES))
  await until('the first batch', () => sink.begun === 1)
  source.write('y'.repeat(2 * BLOCK_BYTES))
  await until('the reading', () => arena.free === 0)
  assert.is(sink.begun, 1, 'another batch than the last one waits')
  source.end('z')
  await until('the last batch', () => sink.begun === 2)
  assert.is(arena.free, 0)
  open()
  assert.is(await end, 'complete')
  assert.equal(
    sink.batches.map((batch) => batch[0]),
    ['x', 'y'],
  )
  assert.is(arena.free, 4)
})

test('where a batch fails while the last one is with the sink, the body has failed once both are back', async () => {
  const { source, intake, sink, arena } = setUp()
  const [first, second] = [opening(), opening()]
  sink.takesLastAtOnce = true
  sink.gate = first.gate
  const end = intake.drain(sink, 1e6).then(String, String)
  source.write('x'.repeat(BLOCK_BYTES))
  await until('the first batch', () => sink.begun === 1)
  sink.gate = second.gate
  source.end('z')
  await until('the last batch', () => sink.begun === 2)
  sink.failWith = new Error('the disk is full')
  first.open()
  await until('the blocks of the first batch', () => arena.free === 3)
  sink.failWith = undefined
  second.open()
  assert.match(await end, 'the disk is full')
  assert.is(arena.free, 4)
})

test.run()
