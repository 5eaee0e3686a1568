import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Rate } from '../../server/uploads/rate.js'

test('the speed is that of the last two to four seconds, whatever the clock shows when they begin', () => {
  for (const startMs of [0, 500, 1_000_000_000]) {
    const rate = new Rate()
    assert.is(rate.perSecond(startMs), 0)
    for (let ms = 0; ms <= 10_000; ms += 100) rate.add(1000, startMs + ms)
    const speed = rate.perSecond(startMs + 10_050)
    assert.ok(speed > 9000 && speed < 11_000, `${speed} from ${startMs}`)
    assert.is(rate.perSecond(startMs + 60_000), 0)
  }
})

test.run()
