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
const AT_ONCE = 16
/** Shorter, and most scripts of a busy machine would end before the server had seen a request. */
const QUIET_MS = 1_000
/** So many differences are looked at before more are gathered. */
const MOST_SUSPECTS = 200
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

/**
 * Alike are accounts that are equal. Behind bytes that are not HTTP the connection is closed in any case; the request
 * that they belong to may have been answered before they were read, or is refused with them. Where a connection is
 * closed with bytes unread, the reset may take the last answer with it.
 */
function isAlike(a: Account, b: Account): boolean {
  if (isDeepStrictEqual(a, b)) return true
  if (a.isOpen || b.isOpen) return false
  const isCut = a.answers.startsWith(b.answers) || b.answers.startsWith(a.answers)
  if (isCut && isDeepStrictEqual(a.requests, b.requests)) return true
  if (!`${a.answers}${b.answers}`.includes('request_malformed')) return false
  const both = Math.min(a.requests.length, b.requests.length) - 1
  const before = ({ answers, requests }: Account): unknown => [
    answers.slice(0, answers.lastIndexOf('HTTP/1.1 ')).replace(/HTTP\/1.1 100 Continue\s+$/, ''),
    requests.slice(0, both),
  ]
  return isDeepStrictEqual(before(a), before(b))
}

test('whatever the lane takes, Node takes with the same meaning, and answers alike', async () => {
  let [sent, seed, last, triedAgain] = [0, SEED, performance.now(), 0]
  const differences: string[] = []
  const suspects: number[] = []
  const playSome = async (): Promise<void> => {
    while (sent < REQUESTS && suspects.length < MOST_SUSPECTS) {
      const own = seed++
      const script = scriptOf(own)
      sent += script.requests
      const [a, b] = await play(script, QUIET_MS)
      if (!isAlike(a, b)) suspects.push(own)
      if (performance.now() - last < 30_000) continue
      last = performance.now()
      console.log(`lane-difference: ${sent} requests, ${suspects.length} to try again`)
    }
  }
  while (sent < REQUESTS && differences.length === 0) {
    await Promise.all(Array.from({ length: AT_ONCE }, playSome))
    for (const suspect of suspects.splice(0)) {
      triedAgain += 1
      const [a, b] = await play(scriptOf(suspect), ALONE_QUIET_MS)
      if (!isAlike(a, b)) differences.push(`seed ${suspect}: ${JSON.stringify({ lane: a, node: b })}`)
    }
  }
  console.log(
    `lane-difference: ${sent} requests, ${triedAgain} tried again, ${lane.served} served, ${lane.lentBytes} bytes by the lane`,
  )
  assert.equal(differences, [])
  assert.is(lane.faults + nodes.faults, 0)
  assert.ok(lane.served > sent * 0.7, 'most requests were served')
  assert.ok(lane.lentBytes > 0, 'the lane was taken')
  assert.ok(lane.pausedLent > 0, 'bodies were stopped within the lane')
  assert.is(nodes.lentBytes, 0)
})

test.run()
