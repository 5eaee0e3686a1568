import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { floodCreations, LARGEST_METADATA } from '../helpers/attacks.js'
import { lockDatabase } from '../helpers/locked-database.js'
import { eventually, statusOf } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { underAttack } from '../helpers/under-attack.js'

const test = suite('records, memory')
test.after(killServers)

const FLOOD_MS = 10_000
const DRAINS_WITHIN_MS = 60_000

test('a locked database and the largest metadata leave memory within 50 MiB above idle', async () => {
  const server = await startServer()
  const release = await lockDatabase(server)
  try {
    await underAttack('a locked database, creations with 8 KiB of metadata', server, async () => {
      const answered = await floodCreations(server, FLOOD_MS, LARGEST_METADATA)
      const { records } = await statusOf(server)
      console.log(`records: ${[...answered]} answered, ${records.queued} queued under the lock`)
      assert.ok((answered.get(201) ?? 0) > 100)
      assert.ok(records.queued > 0, 'the lock holds')
    })
  } finally {
    await release()
  }
  await eventually(DRAINS_WITHIN_MS, 'an empty queue', async () =>
    (await statusOf(server)).records.queued === 0 ? true : undefined,
  )
  await eventually(DRAINS_WITHIN_MS, 'the reindex that brings back what was dropped', async () =>
    /a reindex is due[\s\S]*the index is up to date/.test(server.log()) ? true : undefined,
  )
  assert.is(await server.stop(), 0)
})

test.run()
