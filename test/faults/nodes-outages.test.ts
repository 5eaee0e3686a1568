// cluster
// time-limit: 600s

import { setTimeout as pause } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { largest, persist } from '../helpers/persistent.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { reprDigestOf } from '../helpers/proof.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { PseudoFile, printedSeed, randomFrom } from '../helpers/sender.js'
import { eventually, send } from '../helpers/server.js'
import { assertStoredIn } from '../helpers/stored.js'

const MIB = 2 ** 20
const WITHIN_MS = 60_000
const UPLOADS = 3
/** `OUTAGES=20` for the whole proof. */
const OUTAGES = Number(process.env.OUTAGES ?? 1)
const MOST_OUTAGE_MS = 2_000

const seed = printedSeed('nodes-outages')
const random = randomFrom(seed)

const outages = suite<Shared & { nodes: Nodes }>('outages of S3 and PostgreSQL')
const test = needsRadosgw(needsPostgres(outages))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
})
test.before.each(async (place) => {
  place.nodes = await Nodes.start(place)
})
test.after.each(({ nodes }) => nodes.end())
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

/** `kill` and `restart` while PATCHes run; every upload goes on and is right in the end. */
async function survives(
  nodes: Nodes,
  server: { kill(): Promise<void>; restart(): Promise<void> },
): Promise<number[]> {
  const files = Array.from({ length: UPLOADS }, (_, i) => new PseudoFile(seed + i, (8 + 4 * i) * MIB + 7))
  let acknowledged = 0
  let isOver = false
  // Slow enough that the outages fall among the PATCHes.
  const sending = files.map((file) =>
    persist(nodes.front, file, {
      chunkBytes: () => (isOver ? file.size : 1 + Math.floor(random() * 2 * MIB)),
      acknowledged: () => {
        acknowledged += 1
      },
    }),
  )
  const failing = (async () => {
    for (let outage = 0; outage < OUTAGES; outage++) {
      const before = acknowledged
      await eventually(WITHIN_MS, 'progress', async () => acknowledged > before || undefined)
      await server.kill()
      await pause(random() * MOST_OUTAGE_MS)
      await server.restart()
    }
    isOver = true
  })()
  const [, ...sent] = await Promise.all([failing, ...sending])
  for (const [i, { path, digest }] of sent.entries()) {
    const file = files[i]
    if (!file) throw new Error('an upload without a file')
    assert.is(digest, reprDigestOf(file))
    await assertStoredIn(nodes.stored, path, file)
  }
  await nodes.idle()
  await nodes.tidy()
  await nodes.onlyHas(...sent.map(({ path }) => path))
  return sent.flatMap(({ gapsMs }) => gapsMs)
}

async function untilReady(nodes: Nodes): Promise<void> {
  for (const { origin } of nodes.all)
    await eventually(WITHIN_MS, 'a node that is ready', async () => {
      return (await send(origin, { method: 'GET', path: '/readyz' })).status === 200 || undefined
    })
}

test('PATCHes that S3 leaves end as a cut does, go on later, and nothing acknowledged is lost', async ({
  nodes,
  radosgw,
}) => {
  const gapsMs = await survives(nodes, radosgw)
  console.log(`nodes-outages: after an outage of S3 uploads went on within ${largest(gapsMs)} ms`)
  await untilReady(nodes)
})

test('PATCHes that PostgreSQL leaves end as a cut does, go on later, and nothing acknowledged is lost', async ({
  nodes,
  postgres,
}) => {
  const gapsMs = await survives(nodes, postgres)
  console.log(`nodes-outages: after an outage of PostgreSQL uploads went on within ${largest(gapsMs)} ms`)
  await untilReady(nodes)
})

outages.run()
