import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FinalLooks } from '../../server/uploads/joining/final-looks.js'
import { bounded } from '../helpers/test.js'

const WITHIN_MS = 5_000

test('a look that fails is logged, and keeps none of the others from their turn', async () => {
  const looked: string[] = []
  const failed: object[] = []
  const log = {
    info: () => {},
    warn: () => {},
    error: (fields: object) => void failed.push(fields),
  }
  let end = (): void => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const looks = new FinalLooks({ log, isReceiving: () => false }, async (id) => {
    looked.push(id)
    if (id === 'first') throw new Error('EIO: i/o error, read')
    end()
  })
  looks.add('first')
  looks.add('second')
  assert.equal(looked, [], 'never within the call')
  await bounded(WITHIN_MS, ended, 'the look at the second one')
  assert.equal(looked, ['first', 'second'])
  assert.is(failed.length, 1)
})

test.run()
