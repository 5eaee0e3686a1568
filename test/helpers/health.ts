import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { eventually, send, statusOf, type TestServer } from './server.js'

const WITHIN_MS = 10_000

/** Every file in the data folder but the index and the lock, by its path from there, in order. */
export function filesIn(server: Pick<TestServer, 'dataDir'>): string[] {
  const entries = readdirSync(server.dataDir, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('lading.'))
    .map((entry) => join(entry.parentPath, entry.name).slice(server.dataDir.length + 1))
    .sort()
}

/** Resolves when no slot is taken and every block is free again, within ten seconds. */
export async function idle(server: Pick<TestServer, 'origin'>): Promise<void> {
  await eventually(WITHIN_MS, 'an idle server', async () => {
    const { slots, arena } = await statusOf(server)
    return slots.taken === 0 && slots.waiting === 0 && arena.free === arena.blocks ? true : undefined
  })
}

/** Fails unless the process lives, is idle, and has exactly these files: what was there before, or nothing. */
export async function unharmed(server: TestServer, files: readonly string[] = []): Promise<void> {
  const answer = await send(server.origin, { method: 'GET', path: '/healthz' })
  assert.is(answer.status, 200)
  assert.is(server.process.exitCode, null)
  await idle(server)
  // A checkpoint is written behind the answer: its temporary file may be seen, and must go.
  const wanted = files.filter((name) => !name.endsWith('.tmp')).sort()
  const found = await eventually(WITHIN_MS, 'the end of the temporary files', async () => {
    const now = filesIn(server)
    return now.some((name) => name.endsWith('.tmp')) ? undefined : now
  })
  assert.equal(found, wanted)
}
