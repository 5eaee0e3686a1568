import { isDeepStrictEqual } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Account, LanePlace } from '../helpers/lane-place.js'
import { type Script, scriptOf } from '../helpers/lane-requests.js'
import { printedSeed } from '../helpers/sender.js'

const test = suite('lane-difference')

/** `LANE_REQUESTS=1000000 TEST_SEED=7 node dist/test/faults/lane-difference.test.js` sends a million. */
const REQUESTS = Number(process.env.LANE_REQUESTS ?? 12_000)
const SEED = printedSeed('lane-difference')
const AT_ONCE = 64
const QUIET_MS = 150
/** A difference counts where it stays while nothing else is under way. */
const ALONE_QUIET_MS = 2_000
/** The lane of this many bytes: every body, so that its heads and ends are tried and not its middle. */
const FROM_BYTES = 1

let lane: LanePlace
let nodes: LanePlace

test.before(async () => {
  ;[lane, nodes] = [await LanePlace.open(FROM_BYTES), await LanePlace.open(Number.POSITIVE_INFINITY)]
})

test.after(async () => {
  await lane.close()
  await nodes.close()
})

async function play(script: Script, quietMs: number): Promise<[Account, Account]> {
  return [await lane.play(script, quietMs), await nodes.play(script, quietMs)]
}

test('whatever the lane takes, Node takes with the same meaning, and answers alike', async () => {
  let [sent, seed, last] = [0, SEED, performance.now()]
  const differences: string[] = []
  const suspects: number[] = []
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (sent < REQUESTS && suspects.length < 200 + REQUESTS / 100) {
        const own = seed++
        const script = scriptOf(own)
        sent += script.requests
        const [a, b] = await play(script, QUIET_MS)
        if (!isDeepStrictEqual(a, b)) suspects.push(own)
        if (performance.now() - last < 30_000) continue
        last = performance.now()
        console.log(`lane-difference: ${sent} requests, ${suspects.length} to try again`)
      }
    }),
  )
  for (const suspect of suspects) {
    const [a, b] = await play(scriptOf(suspect), ALONE_QUIET_MS)
    if (!isDeepStrictEqual(a, b)) differences.push(`seed ${suspect}: ${JSON.stringify({ lane: a, node: b })}`)
  }
  console.log(
    `lane-difference: ${sent} requests, ${suspects.length} tried again, ${lane.lentBytes} bytes by the lane`,
  )
  assert.equal(differences, [])
  assert.is(lane.faults + nodes.faults, 0)
  assert.ok(lane.lentBytes > 0, 'the lane was taken')
  assert.is(nodes.lentBytes, 0)
})

test.run()
