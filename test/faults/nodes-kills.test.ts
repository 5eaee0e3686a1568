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
import { eventually, tus } from '../helpers/server.js'
import { assertStoredIn } from '../helpers/stored.js'

const MIB = 2 ** 20
const WITHIN_MS = 120_000
/** `KILLS=100` for the whole proof. */
const KILLS = Number(process.env.KILLS ?? 2)
const UPLOADS = 3
/** A lease is over after 10 s; the rest is for a slow machine. */
const MOST_GAP_MS = 30_000
/** Three parts: a node dies with two of them on their way, too. */
const MOST_CHUNK_BYTES = 16 * MIB
/** After all uploads went on, a node is killed within this time. */
const MOST_WAIT_MS = 1_500

const seed = printedSeed('nodes-kills')
const random = randomFrom(seed)

const kills = suite<Shared>('kill -9 of nodes')
const test = needsRadosgw(needsPostgres(kills))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
})
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

/** How far each upload came: a number that grows with each acknowledged PATCH. */
type Progress = number[]

/** Uploads one file behind the other through the proxy until `isOver`, and holds each against what was sent. */
async function keepUploading(
  nodes: Nodes,
  own: number,
  progress: Progress,
  isOver: () => boolean,
): Promise<{ paths: string[]; gapsMs: number[] }> {
  const paths: string[] = []
  const gapsMs: number[] = []
  for (let round = 0; round === 0 || !isOver(); round++) {
    const file = new PseudoFile(seed + own + round * UPLOADS, Math.floor((8 + random() * 16) * MIB))
    const sent = await persist(nodes.front, file, {
      chunkBytes: () => 1 + Math.floor(random() ** 2 * MOST_CHUNK_BYTES),
      acknowledged: () => {
        progress[own] = (progress[own] ?? 0) + 1
      },
    })
    gapsMs.push(...sent.gapsMs)
    assert.is(sent.digest, reprDigestOf(file))
    await assertStoredIn(nodes.stored, sent.path, file)
    const before = paths.splice(0)
    paths.push(sent.path)
    // Of many, the last ones are kept: memory holds the bucket.
    for (const path of before) await eventually(WITHIN_MS, 'the removal', () => removed(nodes, path))
  }
  return { paths, gapsMs }
}

async function removed({ front }: Nodes, path: string): Promise<true | undefined> {
  const { status } = await tus.remove(front, path).catch(() => ({ status: 0 }))
  return [204, 404].includes(status) || undefined
}

/** Kills a node, now this one, now that one, and starts it again. */
async function keepKilling(nodes: Nodes, progress: Progress): Promise<void> {
  for (let kill = 1; kill <= KILLS; kill++) {
    const before = [...progress]
    await eventually(WITHIN_MS, 'progress of all uploads', async () => {
      return progress.every((count, i) => count > (before[i] ?? 0)) || undefined
    })
    await pause(random() * MOST_WAIT_MS)
    const index = Math.floor(random() * nodes.all.length)
    await nodes.kill(index)
    await nodes.restart(index)
    if (kill % 10 === 0) console.log(`nodes-kills: ${kill} of ${KILLS}`)
  }
}

test(`no acknowledged offset goes back over ${KILLS} kills of a node, and every file is equal byte for byte`, async (place) => {
  const nodes = await Nodes.start(place)
  try {
    const progress: Progress = Array.from({ length: UPLOADS }, () => 0)
    let isOver = false
    const killing = keepKilling(nodes, progress).finally(() => {
      isOver = true
    })
    const sending = progress.map((_, own) => keepUploading(nodes, own, progress, () => isOver))
    const [, ...sent] = await Promise.all([killing, ...sending])
    const gapsMs = sent.flatMap((each) => each.gapsMs)
    console.log(`nodes-kills: ${gapsMs.length} requests broke; taken over within ${largest(gapsMs)} ms`)
    assert.ok(largest(gapsMs) < MOST_GAP_MS, `an upload went on after ${largest(gapsMs)} ms`)
    await nodes.idle()
    await nodes.tidy()
    await nodes.onlyHas(...sent.flatMap(({ paths }) => paths))
  } finally {
    await nodes.end()
  }
})

kills.run()
