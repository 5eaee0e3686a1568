import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { idOf, type TestServer, tus } from './server.js'

/** Between an answer to a last PATCH and the kill. */
const MOST_AFTER_ANSWER_MS = 6

/**
 * Sends the bytes of several uploads at once, and kills the server around one of the answers, so that it dies while it
 * finishes others. Gives the ids of those that were answered, and when it was killed.
 */
export async function killWhileFinishing(
  server: TestServer,
  locations: readonly string[],
  random: () => number,
): Promise<{ answered: string[]; killedAtMs: number }> {
  const answered: string[] = []
  let killedAtMs = Number.POSITIVE_INFINITY
  const killAt = 1 + Math.floor(random() * locations.length)
  const patches = locations.map(async (location) => {
    const { status } = await tus.patch(server, location, 0, 'hello')
    assert.is(status, 204)
    if (answered.push(idOf(location)) !== killAt) return
    await pause(random() * MOST_AFTER_ANSWER_MS)
    killedAtMs = performance.now()
    server.process.kill('SIGKILL')
  })
  // Those that the kill cuts reject.
  await Promise.allSettled(patches)
  await server.stop('SIGKILL')
  return { answered, killedAtMs }
}

/** A hook as it came and was acknowledged, in which life of the server and when. */
export interface Came {
  readonly hook: string
  readonly life: number
  readonly atMs: number
}

/** How long before the end of its life each of those was acknowledged that came again, in milliseconds. */
export function agesOfRepeated(came: readonly Came[], killedAtMs: readonly number[]): number[] {
  const last = new Map<string, Came>()
  const ages: number[] = []
  for (const each of came) {
    const before = last.get(each.hook)
    if (before) ages.push((killedAtMs[before.life] ?? Number.POSITIVE_INFINITY) - before.atMs)
    last.set(each.hook, each)
  }
  return ages
}
