import { existsSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { idle, unharmed } from '../helpers/health.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, fileOf, idOf, locationOf, send, statusOf, tus } from '../helpers/server.js'
import { serverFor } from '../helpers/server-for.js'
import { patchHeaders, unknownId } from '../helpers/wire.js'

const server = serverFor(test)

const recordOf = (id: string) =>
  eventually(10_000, 'the terminated record', async () => {
    const answer = await send(server.origin, { method: 'GET', path: `/api/uploads/${id}` })
    const record = answer.status === 200 ? JSON.parse(answer.text) : undefined
    return record?.state === 'terminated' ? record : undefined
  })

test('DELETE gets 204 with no body; later requests get 404', async () => {
  for (const body of ['', 'ab', 'abcd']) {
    const location = locationOf(await tus.create(server, 4))
    await tus.patch(server, location, 0, body)
    const answer = await tus.remove(server, location)
    assert.is(answer.status, 204)
    assert.is(answer.text, '')
    assert.is((await tus.head(server, location)).status, 404)
    assert.is((await tus.patch(server, location, body.length, 'x')).status, 404)
    assert.is((await tus.remove(server, location)).status, 404)
    assert.is((await send(server.origin, { method: 'GET', path: location })).status, 404)
  }
  assert.is((await tus.remove(server, `/files/${unknownId()}`)).status, 404)
})

test('after DELETE bytes, sidecar and progress are gone, and the record says terminated', async () => {
  const location = locationOf(await tus.create(server, 4))
  await tus.patch(server, location, 0, 'ab')
  const file = fileOf(server, idOf(location))
  assert.ok(existsSync(file) && existsSync(`${file}.json`))
  await tus.remove(server, location)
  assert.not.ok(existsSync(file) || existsSync(`${file}.json`))
  const record = await recordOf(idOf(location))
  assert.is(record.offset, 2)
  assert.is(record.sha256, null)
  assert.is(record.bytesPerSecond, 0)
})

test('DELETE ends a running PATCH first, frees its slot and leaves nothing', async () => {
  const location = locationOf(await tus.create(server, 1_000_000))
  const id = idOf(location)
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 1_000_000))
  await raw.write('a'.repeat(300_000))
  await eventually(10_000, 'the running PATCH', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  assert.is((await tus.remove(server, location)).status, 204)
  const ended = await raw.answer()
  assert.is(ended.status, 423)
  assert.match(ended.text, /^upload_taken_over: /)
  await idle(server)
  assert.not.ok(existsSync(fileOf(server, id)))
  assert.is((await tus.head(server, location)).status, 404)
  await recordOf(id)
  raw.cut()
})

test('DELETE ends a PATCH whose connection is silent, and nothing is left on the disk', async () => {
  const location = locationOf(await tus.create(server, 1000))
  const raw = await RawConnection.open(server.port)
  await raw.head(`PATCH ${new URL(location).pathname}`, patchHeaders(0, 1000))
  await eventually(10_000, 'the running PATCH', async () => {
    return (await statusOf(server)).slots.taken === 1 ? true : undefined
  })
  assert.is((await tus.remove(server, location)).status, 204)
  raw.cut()
  await unharmed(server)
})

test.run()
