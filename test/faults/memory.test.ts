// time-limit: 300s

import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createUpload, Patch, PseudoFile, printedSeed } from '../helpers/sender.js'
import { statusOf, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const test = suite('memory')
test.after(killServers)

const MB = 1_000_000
const UPLOADS = 10
const SMALL_BYTES = 100 * MB
const LARGE_BYTES = 400 * MB
const ROOM_BYTES = UPLOADS * LARGE_BYTES * 1.25
const ABOVE_IDLE_BYTES = 50 * 2 ** 20
const APART_BYTES = 10 * 2 ** 20
const IDLE_BYTES = 100 * 2 ** 20

const seed = printedSeed('memory')

/** The first of the places with room for the files; memory is faster than a disk. */
function roomyFolder(): string | undefined {
  return ['/dev/shm', tmpdir()].find((folder) => {
    try {
      const { bavail, bsize } = statfsSync(folder)
      return bavail * bsize > ROOM_BYTES
    } catch {
      // Not every system has /dev/shm.
      return false
    }
  })
}

/** Resident bytes of a server of its own: at rest, and at most with ten uploads of so many bytes at once. */
async function measure(folder: string, bytes: number): Promise<{ idle: number; peak: number }> {
  const home = mkdtempSync(join(folder, 'lading-memory-'))
  const clean = (): void => rmSync(home, { recursive: true, force: true })
  process.on('exit', clean)
  const server = await startServer(['--durability', 'off'], join(home, 'data'))
  const idle = (await statusOf(server)).memory.rssBytes
  const uploads = Array.from({ length: UPLOADS }, async (_, number) => {
    const file = new PseudoFile(seed + number, bytes)
    const path = await createUpload(server, file)
    const answer = await (await Patch.begin(server, path, file, 0)).finish()
    assert.is(answer?.status, 204)
    assert.ok(answer?.headers.has('repr-digest'))
    await tus.remove(server, path)
  })
  await Promise.all(uploads)
  const peak = (await statusOf(server)).memory.rssPeakBytes
  assert.is(await server.stop(), 0)
  clean()
  process.off('exit', clean)
  return { idle, peak }
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

const name =
  'ten uploads at once need less than 50 MB above idle, and no more where they are four times as large'
const folder = roomyFolder()
if (folder === undefined) {
  test.skip(name)
  console.log(`SKIP: ${name} (no ${ROOM_BYTES / MB} MB are free)`)
} else {
  test(name, async () => {
    const small = await measure(folder, SMALL_BYTES)
    const large = await measure(folder, LARGE_BYTES)
    for (const [bytes, { idle, peak }] of [
      [SMALL_BYTES, small],
      [LARGE_BYTES, large],
    ] as const) {
      const above = `${mib(peak - idle)} above`
      console.log(`memory: ${UPLOADS} of ${bytes / MB} MB: idle ${mib(idle)}, peak ${mib(peak)}, ${above}`)
    }
    assert.ok(large.idle < IDLE_BYTES, `idle ${mib(large.idle)}`)
    assert.ok(large.peak - large.idle < ABOVE_IDLE_BYTES, `${mib(large.peak - large.idle)} above idle`)
    // Above idle, because what a process starts with differs by megabytes from run to run.
    const apart = large.peak - large.idle - (small.peak - small.idle)
    assert.ok(apart < APART_BYTES, `${mib(apart)} more than small files`)
  })
}

test.run()
