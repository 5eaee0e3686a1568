/**
 * Loaded before the server in a process of its own (`--import`): collects garbage once a second, so that Node soon
 * warns of a file that was left open. With `?leak` in its URL one is.
 */
import { open } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

const EVERY_MS = 1_000
/** On a busy machine a collection takes long: it gets one of so many parts of the time at most. */
const SHARE = 10

setFlagsFromString('--expose-gc')
const gc: unknown = runInNewContext('gc')

function collect(): void {
  const startedAt = performance.now()
  if (typeof gc === 'function') gc()
  const tookMs = performance.now() - startedAt
  setTimeout(collect, Math.max(EVERY_MS, tookMs * SHARE)).unref()
}

// The other threads open files without handles that could be collected.
if (isMainThread) collect()

async function leaveOpen(): Promise<void> {
  await open('/dev/null')
}

if (isMainThread && new URL(import.meta.url).searchParams.has('leak')) await leaveOpen()
