import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FinalChecks } from '../../server/uploads/joining/final-checks.js'
import { bounded } from '../helpers/test.js'

const WITHIN_MS = 5_000

test('a check that fails is logged, and keeps none of the others from their turn', async () => {
  const checked: string[] = []
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
  const checks = new FinalChecks({ log, isReceiving: () => false }, async (id) => {
    checked.push(id)
    if (id === 'first') throw new Error('EIO: i/o error, read')
    end()
  })
  checks.add('first')
  checks.add('second')
  assert.equal(checked, [], 'never within the call')
  await bounded(WITHIN_MS, ended, 'the check of the second one')
  assert.equal(checked, ['first', 'second'])
  assert.is(failed.length, 1)
})

test.run()
