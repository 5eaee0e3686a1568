import { appendFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'uvu'
import { smallDisk } from './own-mounts.js'
import { eventually } from './server.js'

const DISK_BYTES = 64 * 2 ** 20
/** What a tmpfs gives to a file at once. */
const PAGE_BYTES = 4096

/** Adds tests with a disk of 64 MiB of their own each; skipped, for the reason `noMounts`, where none can be mounted. */
export function onSmallDisks(test: Test, noMounts: string | undefined, inodes?: number) {
  return (name: string, run: (dataDir: string) => Promise<void>): void => {
    if (noMounts === undefined) return void test(name, () => run(smallDisk(DISK_BYTES, inodes)))
    test.skip(name)
    console.log(`SKIP: ${name} (${noMounts})`)
  }
}

function ballastOf(dataDir: string): string {
  return join(dataDir, 'ballast')
}

/** Fills the disk until so many bytes are free, or as few as can be. */
export function fillUpTo(dataDir: string, freeBytes: number): void {
  const { bavail, bsize } = statfsSync(dataDir)
  let left = bavail * bsize - freeBytes
  for (const piece of [2 ** 20, PAGE_BYTES]) {
    try {
      for (; left >= piece; left -= piece) appendFileSync(ballastOf(dataDir), Buffer.alloc(piece))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    }
  }
}

/** Fills the disk to its last page, whatever the server frees or takes meanwhile. */
export async function fillUp(dataDir: string): Promise<void> {
  await eventually(30_000, 'a full disk', async () => {
    fillUpTo(dataDir, 0)
    return statfsSync(dataDir).bavail === 0 ? true : undefined
  })
}

/** Gives back what was filled. */
export function free(dataDir: string): void {
  rmSync(ballastOf(dataDir))
}
