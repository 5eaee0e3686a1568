import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from './server.js'

const INSIDE = 'TEST_OWN_MOUNTS'
const PROBE = 'mount -t tmpfs -o size=1m lading-probe /tmp'

/**
 * Runs the calling test file again in a mount namespace of its own and ends with its exit code: what it
 * mounts there nobody else sees, and it is gone with the last process, however that ends. Returns why not
 * where the system does not let it, and undefined inside.
 */
export function enterOwnMounts(fileUrl: string): string | undefined {
  if (process.env[INSIDE] !== undefined) return undefined
  for (const flags of ['-m', '-rm']) {
    if (spawnSync('unshare', [flags, 'sh', '-c', PROBE]).status !== 0) continue
    const args = [flags, process.execPath, ...process.execArgv, fileURLToPath(fileUrl)]
    const env = { ...process.env, [INSIDE]: '1' }
    process.exit(spawnSync('unshare', args, { stdio: 'inherit', env }).status ?? 1)
  }
  return 'no tmpfs can be mounted here'
}

/** Mounts a tmpfs of so many bytes, and inodes where that is said, and gives the path of a data folder on it. */
export function smallDisk(bytes: number, inodes?: number): string {
  const folder = temporaryFolder()
  const args = [
    '-t',
    'tmpfs',
    '-o',
    inodes === undefined ? `size=${bytes}` : `size=${bytes},nr_inodes=${inodes}`,
    'lading-test',
    folder,
  ]
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount: ${stderr}`)
  // Before the folder is removed, which a mount would not let happen.
  process.prependListener('exit', () => spawnSync('umount', ['-l', folder]))
  const dataDir = join(folder, 'data')
  mkdirSync(dataDir)
  return dataDir
}
