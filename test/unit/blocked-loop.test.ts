import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BlockedLoop } from '../../hooks/blocked-loop.js'

function block(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test('"more than 50 ms": a hook that blocks for 60 ms is noticed, at its beginning, in its middle and at its end', async () => {
  for (const before of [0, 2]) {
    const seen: string[] = []
    const loop = new BlockedLoop((ms, names) => void seen.push(`${ms >= 60} ${names}`))
    const end = loop.begin('preCreate')
    for (let turn = 0; turn < before; turn++) await new Promise(setImmediate)
    block(60)
    if (before > 0) await new Promise(setImmediate)
    end()
    assert.equal(seen, ['true preCreate'])
  }
})

test('a hook that only waits is not noticed', async () => {
  const seen: string[] = []
  const loop = new BlockedLoop((_, names) => void seen.push(String(names)))
  const end = loop.begin('preCreate')
  end()
  assert.equal(seen, [])
})

test.run()
