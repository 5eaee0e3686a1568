import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withApp } from '../helpers/app-place.js'
import { RawConnection } from '../helpers/raw.js'
import { askOf } from '../helpers/routes.js'
import { eventually, locationOf, send } from '../helpers/server.js'
import { as, SECRET } from '../helpers/tokens.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('limits of an owner')

const BODY = { 'Content-Type': OFFSET_TYPE }

test('owner_slots_full: "--slots-per-owner": one owner takes some of the slots, and another gets one at once', async () => {
  await withApp({ authSecret: SECRET, slots: 4, slotsPerOwner: 1 }, async ({ origin, port }) => {
    const ask = askOf(() => origin)
    const [ann, bob] = [await as('ann'), await as('bob')]
    const create = async (headers: object): Promise<string> =>
      new URL(locationOf(await ask('POST', '/files', { 'Upload-Length': '9', ...headers }))).pathname
    const sender = await RawConnection.open(port)
    const head = [
      'Tus-Resumable: 1.0.0',
      `Content-Type: ${OFFSET_TYPE}`,
      'Upload-Offset: 0',
      'Content-Length: 9',
    ]
    await sender.head(`PATCH ${await create(ann)}`, [...head, `Authorization: ${ann.Authorization}`])
    await sender.write('abc')
    await eventually(30_000, 'the slot', async () => {
      const { text } = await send(origin, { method: 'GET', path: '/api/status' })
      return JSON.parse(text).slots.taken === 1 || undefined
    })
    const patch = { ...BODY, 'Upload-Offset': 0 }
    const refused = await ask('PATCH', await create(ann), { ...patch, ...ann }, 'abc')
    assert.is(refused.status, 503)
    assert.match(refused.text, /^owner_slots_full: /)
    assert.match(String(refused.headers['retry-after']), /^\d+$/)
    assert.is((await ask('PATCH', await create(bob), { ...patch, ...bob }, 'abc')).status, 204)
    await sender.write('defghi')
    assert.is((await sender.answer()).status, 204)
    sender.cut()
    assert.is((await ask('PATCH', await create(ann), { ...patch, ...ann }, 'abc')).status, 204)
  })
})

test('owner_bytes_used: "--max-bytes-per-owner-per-day": what an owner has sent counts, and nothing of another', async () => {
  await withApp({ authSecret: SECRET, maxBytesPerOwnerPerDay: 10 }, async ({ origin }) => {
    const ask = askOf(() => origin)
    const [ann, bob] = [await as('ann'), await as('bob')]
    const upload = (length: number, headers: object, body = '') =>
      ask('POST', '/files', { 'Upload-Length': length, ...BODY, ...headers }, body)
    assert.is((await upload(6, ann, 'abcdef')).status, 201)
    const refused = await upload(5, ann)
    assert.is(refused.status, 429)
    assert.match(refused.text, /^owner_bytes_used: /)
    assert.is((await upload(10, bob, 'abcdefghij')).status, 201)
    const location = locationOf(await upload(4, ann, 'ab'))
    const patch = { ...BODY, ...ann, 'Upload-Offset': 2 }
    assert.is((await ask('PATCH', location, { ...patch, 'X-Trace': '1' }, 'cd')).status, 204)
    assert.is((await upload(1, ann)).status, 429)
  })
})

test.run()
