import { readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Reserve } from '../../hooks/delivery/reserve.js'
import { temporaryFolder } from '../helpers/server.js'

const test = suite('reserve')

const full = (): Error => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })

/** Work that fails as on a full disk until the reserve is gone. */
function workBeside(path: string) {
  return async (): Promise<string> => {
    if (statSync(path, { throwIfNoEntry: false })) throw full()
    return 'written'
  }
}

test('what a process before has kept gives its room too, and nothing is kept then', async () => {
  const path = join(temporaryFolder(), 'reserve')
  const before = await Reserve.open(path)
  before.close()
  const kept = readFileSync(path)
  const after = await Reserve.open(path)
  assert.ok(readFileSync(path).equals(kept), 'it is not made a second time: the disk may be full')
  assert.is(kept.length, 1024 * 1024)
  assert.is(await after.within(workBeside(path)), 'written')
  assert.is(statSync(path, { throwIfNoEntry: false }), undefined)
  after.close()
})

test('a shorter file than the reserve is made whole', async () => {
  const path = join(temporaryFolder(), 'reserve')
  ;(await Reserve.open(path)).close()
  truncateSync(path, 10)
  ;(await Reserve.open(path)).close()
  assert.is(statSync(path).size, 1024 * 1024)
})

test('work that met the full disk just before another one gave the room is done again; without a reserve it fails', async () => {
  const path = join(temporaryFolder(), 'reserve')
  const reserve = await Reserve.open(path)
  let tries = 0
  const late = reserve.within(async () => {
    tries += 1
    if (tries > 1) return 'written'
    // Its error comes when the other one is done.
    await reserve.within(workBeside(path))
    throw full()
  })
  assert.is(await late, 'written')
  const none = await reserve.within(async () => Promise.reject(full())).catch(({ code }) => code)
  assert.is(none, 'ENOSPC')
  reserve.close()
  rmSync(path, { force: true })
})

test.run()
