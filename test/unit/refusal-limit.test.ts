import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RefusalLimit } from '../../server/http/auth/refusal-limit.js'

const test = suite('refusal limit')

test('"After 20 refusals 429, and one more attempt each second": however many came meanwhile', () => {
  let nowMs = 0
  const limit = new RefusalLimit(() => nowMs)
  for (let n = 0; n < 19; n++) limit.note('192.0.2.1')
  assert.not(limit.isOver('192.0.2.1'))
  // The tokens of uploads are noted too, and those are sent at any speed.
  for (let n = 0; n < 10_000; n++) limit.note('192.0.2.1')
  assert.ok(limit.isOver('192.0.2.1'))
  assert.not(limit.isOver('192.0.2.2'))
  nowMs = 1_000
  assert.not(limit.isOver('192.0.2.1'), 'one more attempt')
  limit.note('192.0.2.1')
  assert.ok(limit.isOver('192.0.2.1'))
})

test('"4096 addresses are remembered"', () => {
  const limit = new RefusalLimit(() => 0)
  for (let n = 0; n < 5_000; n++) limit.note(`address ${n}`)
  assert.is(limit.size, 4_096)
})

test.run()
