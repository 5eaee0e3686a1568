import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { all, call, DONE, FAILED, idOf, type KeptPlace, told, until } from './deliveries-place.js'
import { bounded } from './test.js'

/** What holds of the events of a finish, wherever deliveries are kept. */
export function keepsFinishes<Context extends { place: KeptPlace }>(test: Test<Context>): void {
  test('what is intended goes out when the finish is confirmed, and not before', async ({ place }) => {
    const deliveries = await place.start()
    await deliveries.intend(idOf(1))
    deliveries.notify(call('post-create', 2))
    await told(place, deliveries, 1)
    assert.equal([place.endpoint.told, await all(deliveries, 'pending')], [['post-create 2'], []])
    deliveries.confirm(call('post-finish'))
    await told(place, deliveries, 2)
    assert.equal(place.endpoint.told, ['post-create 2', 'post-finish 1'])
  })

  test('"at least once, whatever crashes": after a restart it goes out if the upload is finished', async ({
    place,
  }) => {
    const before = await place.start()
    for (const number of [1, 2]) await before.intend(idOf(number))
    place.finished.add(idOf(1))
    const deliveries = await place.restart()
    await told(place, deliveries, 1)
    await until('the note that it is done', async () => (await all(deliveries, 'done')).length > 0)
    assert.equal(place.endpoint.told, ['post-finish 1'])
  })

  test('an upload that is finished at a later try has one post-finish', async ({ place }) => {
    const before = await place.start()
    await before.intend(idOf(1))
    await before.failed(idOf(1))
    await before.intend(idOf(1))
    const deliveries = await place.restart()
    await deliveries.intend(idOf(1))
    place.finished.add(idOf(1))
    const last = await place.restart()
    await told(place, last, 1)
    last.notify(call('post-terminate'))
    await told(place, last, 2)
    assert.equal(place.endpoint.told, ['post-finish 1', 'post-terminate 1'])
  })

  test('an upload whose files cannot be read after a restart keeps no other event back, and has its own later', async ({
    place,
  }) => {
    const before = await place.start()
    for (const number of [1, 2]) await before.intend(idOf(number))
    let isTorn = true
    const finished = async (id: string) => {
      if (isTorn && id === idOf(1)) throw new Error('the sidecar is torn')
      return call('post-finish', id === idOf(1) ? 1 : 2).upload
    }
    const deliveries = await place.restart({ finished })
    deliveries.notify(call('post-create', 3))
    await until('the others', () => place.endpoint.tries.length === 2)
    assert.equal(place.endpoint.told.sort(), ['post-create 3', 'post-finish 2'])
    isTorn = false
    await until('its own', () => place.endpoint.told.includes('post-finish 1'))
  })

  test("an upload's removal does not remove its undelivered events", async ({ place }) => {
    place.endpoint.answer = () => FAILED
    const before = await place.start({ scheduleMs: [0, 1_000] })
    await before.intend(idOf(1))
    before.confirm(call('post-finish'))
    await until('a failure', async () => (await all(before, 'pending'))[0]?.attempts === 1)
    before.notify(call('post-terminate'))
    place.endpoint.answer = () => DONE
    const deliveries = await place.restart()
    await told(place, deliveries, 2)
    assert.equal(place.endpoint.told, ['post-finish 1', 'post-terminate 1'])
  })

  test('more finishes at once than there are places wait for each other', async ({ place }) => {
    const deliveries = await place.start({ limits: { finishes: 2 } })
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
    await Promise.all(
      numbers.map(async (number) => {
        await deliveries.intend(idOf(number))
        if (number % 4 === 0) deliveries.forget(idOf(number))
        else deliveries.confirm(call('post-finish', number))
      }),
    )
    await told(place, deliveries, 6)
    assert.equal(place.endpoint.tries.map(({ number }) => number).sort(), [1, 2, 3, 5, 6, 7])
  })

  test('a server that ends leaves what is not acknowledged on the disk, within its time', async ({
    place,
  }) => {
    const before = await place.start()
    place.endpoint.answer = () => new Promise(() => {})
    before.notify(call('post-create'))
    before.notify(call('post-finish'))
    await until('the try', () => place.endpoint.tries.length === 1)
    await bounded(30_000, before.close(10), 'the end')
    await place.end()
    place.endpoint.answer = () => DONE
    const deliveries = await place.start()
    await told(place, deliveries, 3)
    assert.equal(place.endpoint.told, ['post-create 1', 'post-create 1', 'post-finish 1'])
  })
}
