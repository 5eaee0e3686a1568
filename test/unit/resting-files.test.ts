import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RestingFiles } from '../../server/files/resting-files.js'
import { until } from './intake-place.js'

function place() {
  const clock = { ms: 0 }
  const closed: string[] = []
  const close = async (id: string): Promise<void> => void closed.push(id)
  return { clock, closed, files: new RestingFiles({ close, monotonic: () => clock.ms }) }
}

test('a file that rests is taken once, and only by a body that begins at its end', () => {
  const { files, closed } = place()
  files.add('a', 5)
  assert.ok(files.take('a', 5))
  assert.not(files.take('a', 5))
  files.add('a', 5)
  assert.not(files.take('a', 6))
  assert.not(files.take('b', 0))
  assert.equal(closed, [])
})

test('at most ten files rest: of eleven the one that rests for longest is closed', async () => {
  const { files, closed } = place()
  for (let number = 0; number < 10; number++) files.add(`${number}`, 0)
  files.add('0', 1)
  files.add('10', 0)
  assert.equal(closed, ['1'])
  assert.ok(files.take('0', 1))
})

test('a file that rests for a second is closed, and none that was taken or deleted', async () => {
  const { clock, files, closed } = place()
  for (const id of ['rests', 'taken', 'deleted', 'closed']) files.add(id, 0)
  files.take('taken', 0)
  files.delete('deleted')
  await files.close('closed')
  await files.close('closed')
  clock.ms = 999
  files.add('young', 0)
  clock.ms = 1000
  await until('the closing', () => closed.length > 1)
  assert.equal(closed, ['closed', 'rests'])
  clock.ms = 1999
  await until('the closing of the other', () => closed.length > 2)
  assert.equal(closed, ['closed', 'rests', 'young'])
})

test.run()
