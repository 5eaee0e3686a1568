import { statSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { keepsDeliveries } from '../helpers/deliveries-contract.js'
import {
  all,
  call,
  type DeliveriesPlace,
  DONE,
  FAILED,
  idOf,
  told,
  until,
  withPlace,
} from '../helpers/deliveries-place.js'

const test = suite<{ place: DeliveriesPlace }>('deliveries')

withPlace(test)
keepsDeliveries(test)

test('a restart tries at once what is pending, and goes on with the schedule', async ({ place }) => {
  const { endpoint } = place
  endpoint.answer = () => FAILED
  const scheduleMs = [0, 3_600_000, 5]
  const deliveries = await place.start({ scheduleMs })
  deliveries.notify(call('post-create'))
  await until('the next try', async () => (await all(deliveries, 'pending'))[0]?.attempts === 1)
  for (const _ of [1, 2, 3]) {
    const restarted = await place.restart({ scheduleMs })
    await until('a try', () => endpoint.tries.length === 1)
    const [pending] = await all(restarted, 'pending')
    assert.equal([endpoint.tries[0]?.attempt, pending?.attempts, pending?.lastError], [2, 1, '503'])
    assert.ok(Date.parse(pending?.nextAttemptAt ?? '') > Date.now() + 1_000_000)
  }
  endpoint.answer = () => DONE
  const last = await place.restart({ scheduleMs })
  await told(place, last, 1)
})

test('headers may be secrets: the files can be read by their owner alone', async ({ place }) => {
  place.endpoint.answer = () => FAILED
  const deliveries = await place.start()
  deliveries.notify(call('post-create', 1))
  await until('a failure', () => deliveries.numbers.failed === 1)
  place.endpoint.answer = () => new Promise(() => {})
  deliveries.notify(call('post-create', 2))
  const expected = `${idOf(2)}.jsonl,failed.jsonl`
  await until('the files', () => String(place.files) === expected)
  for (const name of place.files)
    assert.is(statSync(join(place.folder, 'http', name)).mode & 0o777, 0o600, name)
  await deliveries.close(1)
})

test.run()
