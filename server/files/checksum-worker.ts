import { closeSync, openSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { openArena } from './arena-view.js'
import { serve } from './channel.js'
import { RunningChecksums } from './checksum.js'
import { readPieces } from './pieces.js'
import type { Serving } from './thread.js'
import type { CheckTask } from './writer-tasks.js'

/**
 * The thread that computes the checksums of requests under Upload-Checksum, beside those that write and
 * digest the same blocks: two processors do in the time of one what one would do in twice that time.
 */

const arena = openArena(workerData)
const running = new Map<string, RunningChecksums>()

/** Does tasks until the channel is closed; piscina calls this. */
export default function start({ port }: Serving): Promise<void> {
  return serve(port, run)
}

/** Takes blocks in, and gives the digests back with the last of them. */
function run(task: CheckTask): Record<string, string> | null {
  const { id, algorithms, begins, ends } = task
  const checksums = begins ? new RunningChecksums(algorithms) : running.get(id)
  if (!checksums) throw new Error('the running checksums were lost')
  running.set(id, checksums)
  for (const block of arena.blocksOf(task.blocks)) checksums.update(block)
  if (task.stored) readBack(task.stored, checksums)
  if (!ends) return null
  running.delete(id)
  const digests = algorithms.map((algorithm) => [algorithm, checksums.digest(algorithm) ?? ''])
  return Object.fromEntries(digests)
}

function readBack({ path, from, to }: NonNullable<CheckTask['stored']>, checksums: RunningChecksums): void {
  const fd = openSync(path, 'r')
  try {
    for (const bytes of readPieces(fd, from, to)) checksums.update(bytes)
  } finally {
    closeSync(fd)
  }
}
