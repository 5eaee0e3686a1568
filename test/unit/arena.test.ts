import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Arena } from '../../server/intake/arena.js'

test('hands out each block once and none beyond its size', () => {
  const arena = new Arena({ blocks: 3, blockBytes: 8 })
  const taken = [arena.take(), arena.take(), arena.take()]
  assert.equal(taken.toSorted(), [0, 1, 2])
  assert.is(arena.take(), undefined)
  assert.is(arena.free, 0)
})

test('wakes those who wait in the order of asking, one for each block given back', () => {
  const arena = new Arena({ blocks: 2, blockBytes: 8 })
  arena.take()
  arena.take()
  const woken: string[] = []
  arena.whenFree(() => woken.push('first'))
  const leave = arena.whenFree(() => woken.push('gone'))
  arena.whenFree(() => woken.push('second'))
  leave()
  arena.give(0)
  assert.equal(woken, ['first'])
  arena.give(1)
  assert.equal(woken, ['first', 'second'])
})

test('refuses a block that is given back twice', () => {
  const arena = new Arena({ blocks: 2, blockBytes: 8 })
  arena.take()
  arena.give(0)
  assert.throws(() => arena.give(0), /given back twice/)
})

test('keeps a chunk where it was put and touches nothing beside it', () => {
  const arena = new Arena({ blocks: 2, blockBytes: 8 })
  arena.fill(1, 2, Buffer.from('abc'))
  assert.equal(Buffer.from(arena.view(1, 8)), Buffer.from('\0\0abc\0\0\0'))
  assert.equal(Buffer.from(arena.view(0, 8)), Buffer.alloc(8))
})

test.run()
