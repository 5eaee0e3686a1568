// time-limit: 300s

import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ENDINGS, type Ending, FULL_DISK_ENDINGS } from '../helpers/endings.js'
import { enterOwnMounts, smallDisk } from '../helpers/own-mounts.js'
import { storedNames } from '../helpers/proof.js'
import { printedSeed, randomFrom } from '../helpers/sender.js'
import {
  eventually,
  send,
  startServer,
  statusOf,
  type TestServer,
  temporaryFolder,
} from '../helpers/server.js'

const noMounts = enterOwnMounts(import.meta.url)

const MIB = 2 ** 20
const REQUESTS = 1_850
const FULL_DISK_REQUESTS = 150
const AT_ONCE = 8
/** A stalled request holds its worker for so long that fewer of them suffice. */
const RARE = new Set(['stalled'])

interface Place {
  server: TestServer
  /** Open descriptors of the server before the first of the requests. */
  descriptors: number
  random: () => number
}

const test = suite<Place>('endings')

test.before(async (place) => {
  place.random = randomFrom(printedSeed('endings'))
  const dataDir = noMounts === undefined ? smallDisk(768 * MIB) : join(temporaryFolder(), 'data')
  const { server } = Object.assign(place, {
    server: await startServer(['--idle-timeout', '500ms', '--slot-wait', '10s'], dataDir),
  })
  await eventually(10_000, 'readiness', async () => {
    return (await send(server.origin, { method: 'GET', path: '/readyz' })).status === 200 ? true : undefined
  })
  // The first upload opens what stays open: threads, the database's files.
  await ENDINGS.done?.(server, place.random)
  await eventually(30_000, 'the first row', async () => {
    return (await statusOf(server)).records.queued === 0 ? true : undefined
  })
  place.descriptors = descriptorsOf(server)
})

test.after(async ({ server }) => {
  await server.stop('SIGKILL')
})

function descriptorsOf({ pid }: TestServer): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

async function endInEveryWay(
  { server, random }: Place,
  endings: Readonly<Record<string, Ending>>,
  count: number,
): Promise<void> {
  const counts = new Map<string, number>()
  const names = Object.keys(endings)
  let left = count
  const worker = async (): Promise<void> => {
    while (left > 0) {
      const name = names[Math.floor(random() * names.length)] ?? ''
      if (RARE.has(name) && random() < 0.5) continue
      left -= 1
      counts.set(name, (counts.get(name) ?? 0) + 1)
      await endings[name]?.(server, random).catch((error: unknown) => {
        throw new Error(`"${name}" did not end as it should: ${error}`, { cause: error })
      })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  console.log(`endings: ${[...counts].map(([name, times]) => `${times} ${name}`).join(', ')}`)
  assert.is(counts.size, names.length, 'every way was met')
}

async function assertNothingIsLeft({ server, descriptors }: Place): Promise<void> {
  const state = async (): Promise<string> => {
    const { slots, arena, records } = await statusOf(server)
    const taken = `${slots.taken} slots taken, ${slots.waiting} waiting, ${records.queued} rows queued`
    // One connection is the question's own.
    const open = descriptorsOf(server) - descriptors
    const blocks = arena.blocks - arena.free
    const temporary = storedNames(server).filter((name) => !/^\d{8}-[0-9a-f]{32}(\.json)?$/.test(name))
    return `${taken}, ${blocks} blocks, ${Math.max(0, open)} descriptors, ${temporary.length} temporary files`
  }
  const wanted = '0 slots taken, 0 waiting, 0 rows queued, 0 blocks, 0 descriptors, 0 temporary files'
  // Connections of refused requests are read on for 15 s at most.
  let last = ''
  await eventually(20_000, 'an empty server', async () => {
    last = await state()
    return last === wanted ? true : undefined
  }).catch(() => assert.is(last, wanted))
}

/** Every file of bytes has its sidecar, and the other way round. */
function assertInPairs({ server }: Place): void {
  const names = new Set(storedNames(server))
  const alone = [...names].filter((name) => {
    return !names.has(name.endsWith('.json') ? name.slice(0, -5) : `${name}.json`)
  })
  assert.equal(alone, [])
}

test(`${REQUESTS} requests that end in every way leave no slot, block, descriptor or file behind`, async (place) => {
  await endInEveryWay(place, ENDINGS, REQUESTS)
  await assertNothingIsLeft(place)
  assertInPairs(place)
})

const fullDisk = `${FULL_DISK_REQUESTS} requests on a full disk leave nothing behind either`
if (noMounts !== undefined) {
  test.skip(fullDisk)
  console.log(`SKIP: ${fullDisk} (${noMounts})`)
} else {
  test(fullDisk, async (place) => {
    const ballast = join(place.server.dataDir, 'ballast')
    const before = new Set(storedNames(place.server))
    fill(ballast, (await statusOf(place.server)).disk.freeBytes)
    await endInEveryWay(place, FULL_DISK_ENDINGS, FULL_DISK_REQUESTS)
    rmSync(ballast)
    await assertNothingIsLeft(place)
    assertInPairs(place)
    assert.equal(
      storedNames(place.server).filter((name) => !before.has(name)),
      [],
      'no file came of them',
    )
  })
}

/** Writes until the disk is full but for less than 256 KiB. */
function fill(path: string, mostBytes: number): void {
  try {
    for (let at = 0; at < mostBytes + MIB; at += MIB / 4)
      writeFileSync(path, Buffer.alloc(MIB / 4), { flag: 'a' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  }
}

test('the server takes uploads as before', async ({ server, random }) => {
  await ENDINGS.done?.(server, random)
  assert.is(await server.stop(), 0)
})

test.run()
