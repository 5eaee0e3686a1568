// cluster
// time-limit: 600s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { persist } from '../helpers/persistent.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { reprDigestOf } from '../helpers/proof.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { PseudoFile, printedSeed, randomFrom } from '../helpers/sender.js'
import { eventually, statusOf } from '../helpers/server.js'

const MIB = 2 ** 20
const WITHIN_MS = 60_000
const SLOTS = 3
const UPLOADS = 8
/** More than the slots: each node has as many of its own. */
const OWN_SLOTS = 8

const seed = printedSeed('nodes-slots')
const random = randomFrom(seed)

const slots = suite<Shared>('slots of the cluster')
const test = needsRadosgw(needsPostgres(slots))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
})
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

/** Slots that are taken, counted in the database. */
async function takenIn({ sql }: Nodes): Promise<number> {
  const { rows } = await sql.query<{ taken: number }>(
    'SELECT count(*) AS taken FROM cluster_slots WHERE node IS NOT NULL',
  )
  return rows[0]?.taken ?? 0
}

test(`with --cluster-slots ${SLOTS} two nodes never have more active uploads, also where one of them is killed`, async (place) => {
  const flags = ['--cluster-slots', `${SLOTS}`, '--slots', `${OWN_SLOTS}`]
  const nodes = await Nodes.start(place, { flags })
  const seen: number[] = []
  let isOver = false
  const watch = async (): Promise<void> => {
    while (!isOver) seen.push(await takenIn(nodes))
  }
  try {
    const watching = watch()
    const files = Array.from({ length: UPLOADS }, (_, i) => new PseudoFile(seed + i, 16 * MIB + i))
    const sending = files.map(async (file) => {
      const { digest } = await persist(nodes.front, file, {
        chunkBytes: () => 1 + Math.floor(random() * 4 * MIB),
      })
      assert.is(digest, reprDigestOf(file))
    })
    const killing = (async () => {
      await eventually(WITHIN_MS, 'all slots taken', async () => seen.includes(SLOTS) || undefined)
      await nodes.kill(0)
      await nodes.restart(0)
    })()
    await Promise.all([killing, ...sending])
    isOver = true
    await watching
    assert.is(Math.max(...seen), SLOTS)
    console.log(`nodes-slots: ${seen.length} counts`)
    await nodes.idle()
    await eventually(WITHIN_MS, 'free slots', async () => (await takenIn(nodes)) === 0 || undefined)
    for (const node of nodes.all) assert.is((await statusOf(node)).slots.limit, OWN_SLOTS)
  } finally {
    isOver = true
    await nodes.end()
  }
})

slots.run()
