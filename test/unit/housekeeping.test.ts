import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Housekeeping, type HousekeepingTools } from '../../server/uploads/housekeeping.js'

/** Background work over an index that was found so; its sweep goes on until it is stopped. */
function housekeeping(opened: { fresh: boolean; newestAt: string | null }, hasSeenAll: boolean) {
  const seen = { isComplete: false, isClean: false, warnings: [] as string[] }
  let stop = (): void => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  let begun = (): void => {}
  const running = new Promise<void>((resolve) => {
    begun = resolve
  })
  const untilStopped = async (): Promise<void> => {
    begun()
    await stopped
  }
  const sweep: HousekeepingTools['sweep'] = {
    hasSeenAll,
    known: untilStopped,
    unfinished: async () => {},
    everything: async function* () {
      yield* await untilStopped().then(() => [])
    },
    isKept: async () => true,
    prove: async () => {},
    stop,
  }
  const records: HousekeepingTools['records'] = {
    ready: Promise.resolve(opened),
    takeClean: async () => false,
    leaveClean: () => {
      seen.isClean = true
    },
    purge: async () => 0,
    async reindex(rows) {
      for await (const _ of rows) assert.unreachable()
      seen.isComplete = true
      return { restored: 0, removed: 0 }
    },
  }
  const log = {
    info: () => {},
    warn: (_: object, message: string) => void seen.warnings.push(message),
    error: (_: object, message: string) => void seen.warnings.push(message),
  }
  const expiry = { run: async () => {}, stop: () => {}, ended: async () => {} }
  const terms = { expireAfterMs: 86_400_000, keepPartialsMs: 0, now: Date.now }
  return { work: new Housekeeping({ sweep, expiry, records, turns: null, log, ...terms }), seen, running }
}

test('a reindex that the end of the server cuts short does not count as whole', async () => {
  const { work, seen, running } = housekeeping({ fresh: true, newestAt: null }, false)
  work.start()
  await running
  await work.close()
  assert.equal(seen, { isComplete: false, isClean: false, warnings: [] })
})

test('nor does one that was asked for while the server runs', async () => {
  const { work, seen, running } = housekeeping({ fresh: false, newestAt: null }, true)
  work.reindex()
  await running
  await work.close()
  assert.equal(seen, { isComplete: false, isClean: false, warnings: [] })
})

test('a pass by the index that the end of the server cuts short does not count as clean', async () => {
  const { work, seen, running } = housekeeping({ fresh: false, newestAt: new Date().toISOString() }, true)
  work.start()
  await running
  await work.close()
  assert.equal(seen, { isComplete: false, isClean: false, warnings: [] })
})

test.run()
