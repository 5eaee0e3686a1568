import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Notified } from '../../server/model/hook.js'
import { all, call, DONE, FAILED, GONE, idOf, type KeptPlace, told, until } from './deliveries-place.js'
import { keepsFinishes } from './finishes-contract.js'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

/** What holds wherever deliveries are kept. */
export function keepsDeliveries<Context extends { place: KeptPlace }>(test: Test<Context>): void {
  keepsFinishes(test)

  test('"order holds for each upload": the next event goes out only after the one before was acknowledged', async ({
    place,
  }) => {
    const { endpoint } = place
    const deliveries = await place.start()
    let failures = 2
    endpoint.answer = ({ event }) => (event === 'post-create' && failures-- > 0 ? FAILED : DONE)
    for (const event of ['post-create', 'post-finish', 'post-terminate'] as const)
      deliveries.notify(call(event))
    await told(place, deliveries, 5)
    assert.equal(endpoint.told, [
      'post-create 1',
      'post-create 1',
      'post-create 1',
      'post-finish 1',
      'post-terminate 1',
    ])
    assert.equal(
      endpoint.tries.map(({ attempt }) => attempt),
      [1, 2, 3, 1, 1],
    )
    assert.is(new Set(endpoint.tries.slice(0, 3).map(({ deliveryId }) => deliveryId)).size, 1)
  })

  test('an upload whose endpoint does not answer delays only its own events', async ({ place }) => {
    const { endpoint } = place
    const deliveries = await place.start()
    let answer = (_: Notified): void => {}
    endpoint.answer = ({ number }) => (number === 1 ? new Promise((resolve) => (answer = resolve)) : DONE)
    for (const number of [1, 2, 3]) deliveries.notify(call('post-create', number))
    for (const number of [1, 2, 3]) deliveries.notify(call('post-finish', number))
    await until('the other uploads', () => endpoint.tries.length === 5 && deliveries.numbers.pending === 1)
    assert.is(endpoint.told.filter((each) => each.endsWith(' 1')).length, 1)
    endpoint.answer = () => DONE
    answer(DONE)
    await told(place, deliveries, 6)
    assert.is(endpoint.told.at(-1), 'post-finish 1')
  })

  test('uploads that fail again and again do not take the places of those that are new', async ({
    place,
  }) => {
    const { endpoint } = place
    endpoint.answer = ({ attempt }) => (attempt > 1 ? new Promise(() => {}) : FAILED)
    const deliveries = await place.start({ limits: { places: 3, retryPlaces: 2 } })
    for (const number of [1, 2, 3, 4]) deliveries.notify(call('post-create', number))
    await until('two that hang', () => endpoint.tries.filter(({ attempt }) => attempt > 1).length === 2)
    endpoint.answer = () => DONE
    deliveries.notify(call('post-create', 5))
    await until('the new one', () => endpoint.told.includes('post-create 5'))
    await deliveries.close(1)
  })

  test('what exhausts the schedule has failed, over a restart too, until it is sent again', async ({
    place,
  }) => {
    const { endpoint } = place
    endpoint.answer = ({ event }) => (event === 'post-create' ? FAILED : DONE)
    const deliveries = await place.start()
    deliveries.notify(call('post-create'))
    deliveries.notify(call('post-finish'))
    await told(place, deliveries, 4)
    assert.equal(endpoint.told, ['post-create 1', 'post-create 1', 'post-create 1', 'post-finish 1'])
    const again = await place.restart()
    await until('the count', () => again.numbers.failed === 1)
    const [failed] = await all(again, 'failed')
    assert.equal([failed?.event, failed?.attempts, failed?.lastError], ['post-create', 3, '503'])
    endpoint.answer = () => DONE
    assert.is((await again.resend(failed?.id ?? ''))?.state, 'pending')
    await told(place, again, 1)
    assert.is(endpoint.tries[0]?.deliveryId, failed?.id)
    assert.equal(endpoint.tries[0]?.call.request?.headers, { authorization: ['Bearer secret'] })
    assert.equal(await all(again, 'failed'), [])
    await until('the count', () => again.numbers.failed === 0)
  })

  test('"410 stops the endpoint": all events are kept as failed, and a restart begins again', async ({
    place,
  }) => {
    const { endpoint } = place
    endpoint.answer = ({ number }) => (number === 1 ? FAILED : GONE)
    const deliveries = await place.start({ scheduleMs: [0, 3_600_000] })
    deliveries.notify(call('post-create', 1))
    await until('a first failure', async () => (await all(deliveries, 'pending'))[0]?.attempts === 1)
    deliveries.notify(call('post-create', 2))
    await until('the end', () => deliveries.numbers.failed === 2)
    deliveries.notify(call('post-create', 3))
    await until('the third', () => deliveries.numbers.failed === 3 && deliveries.numbers.pending === 0)
    assert.equal([endpoint.told, deliveries.numbers.stopped], [['post-create 1', 'post-create 2'], ['http']])
    assert.is(place.log.filter((line) => line.includes('410')).length, 1)
    endpoint.answer = () => DONE
    const again = await place.restart()
    again.notify(call('post-create', 4))
    await told(place, again, 1)
    assert.equal([again.numbers.stopped, again.numbers.failed], [[], 3])
  })

  test('sending an event again begins to tell an endpoint that was stopped', async ({ place }) => {
    const { endpoint } = place
    endpoint.answer = () => GONE
    const deliveries = await place.start()
    deliveries.notify(call('post-create'))
    await until('the end', () => deliveries.numbers.failed === 1)
    endpoint.answer = () => DONE
    await deliveries.resend((await all(deliveries, 'failed'))[0]?.id ?? '')
    deliveries.notify(call('post-create', 2))
    await told(place, deliveries, 3)
    assert.equal(deliveries.numbers.stopped, [])
  })

  test('an event that is done can be seen and sent again after a restart, without the headers of the request', async ({
    place,
  }) => {
    const { endpoint } = place
    const deliveries = await place.start()
    deliveries.notify(call('post-finish'))
    await told(place, deliveries, 1)
    const again = await place.restart()
    const [done] = await all(again, 'done')
    assert.equal(
      [done?.event, done?.uploadId, done?.attempts, done?.state],
      ['post-finish', idOf(1), 1, 'done'],
    )
    assert.ok(Date.parse(done?.deliveredAt ?? '') > 0)
    await again.resend(done?.id ?? '')
    await told(place, again, 1)
    assert.is(endpoint.tries[0]?.deliveryId, done?.id)
    assert.equal(endpoint.tries[0]?.call.request?.headers, {})
    assert.is((await all(again, 'done')).length, 1)
  })

  test('sending a pending event again tries it at once, whatever the schedule says', async ({ place }) => {
    const { endpoint } = place
    endpoint.answer = () => FAILED
    const deliveries = await place.start({ scheduleMs: [0, 3_600_000, 3_600_000] })
    deliveries.notify(call('post-create'))
    await until('the wait', async () => (await all(deliveries, 'pending'))[0]?.attempts === 1)
    endpoint.answer = () => DONE
    await deliveries.resend((await all(deliveries, 'pending'))[0]?.id ?? '')
    await told(place, deliveries, 2)
  })

  test('no delivery has an unknown id, whatever it looks like', async ({ place }) => {
    const deliveries = await place.start()
    for (const id of ['', 'msg_', 'msg_../../x_1', `msg_${idOf(1)}_1`, '../x'])
      assert.is(await deliveries.resend(id), undefined)
  })

  test('"stop" ends the upload that the endpoint was told of', async ({ place }) => {
    place.endpoint.answer = () => ({ kind: 'done', stop: true })
    const deliveries = await place.start()
    deliveries.notify(call('post-create'))
    await told(place, deliveries, 1)
    assert.equal(place.stopped, [idOf(1)])
  })

  test('only so many uploads are told of at once', async ({ place }) => {
    const { endpoint } = place
    let [running, most] = [0, 0]
    endpoint.answer = async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setTimeout(resolve, 5))
      running -= 1
      return DONE
    }
    const deliveries = await place.start({ limits: { places: 3 } })
    for (const number of numbers(20)) deliveries.notify(call('post-create', number))
    await told(place, deliveries, 20)
    assert.is(most, 3)
  })

  test('of post-receive only the newest goes out, from memory, and never one behind a post-finish', async ({
    place,
  }) => {
    const { endpoint } = place
    const deliveries = await place.start({ progressIntervalMs: 3_600_000 })
    const progress = (offset: number) => {
      const made = call('post-receive')
      return { ...made, upload: { ...made.upload, offset } }
    }
    for (const offset of [1, 2, 3]) deliveries.notify(progress(offset))
    await until('a notice', () => endpoint.tries.length === 1)
    assert.is(endpoint.tries[0]?.call.upload.offset, 3)
    await until('nothing that is kept', () => deliveries.numbers.pending === 0)
    assert.equal([await all(deliveries, 'pending'), await all(deliveries, 'done')], [[], []])
    for (const offset of [4, 5]) deliveries.notify(progress(offset))
    await deliveries.intend(idOf(1))
    deliveries.confirm(call('post-finish'))
    deliveries.notify(call('post-create', 2))
    await told(place, deliveries, 3)
    assert.equal(endpoint.told.slice().sort(), ['post-create 2', 'post-finish 1', 'post-receive 1'])
  })

  test('a notice of progress waits while an event of its upload is not acknowledged', async ({ place }) => {
    const { endpoint } = place
    endpoint.answer = ({ event, attempt }) => (event === 'post-create' && attempt < 3 ? FAILED : DONE)
    const deliveries = await place.start({ scheduleMs: [0, 50, 50] })
    deliveries.notify(call('post-create'))
    await until('a failure', () => endpoint.tries.length === 1)
    deliveries.notify(call('post-receive'))
    await told(place, deliveries, 4)
    assert.equal(endpoint.told, [...numbers(3).map(() => 'post-create 1'), 'post-receive 1'])
  })
}
