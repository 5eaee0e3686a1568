import { AS_ADMIN } from '../helpers/tokens.js'
import type { Contender } from './contenders.js'
import { idleMemory, measured } from './measure.js'
import type { Sample } from './result.js'
import type { Workspace } from './workspace.js'

const LOOK_EVERY_MS = 5_000

/** Ten uploads at once, and the size of each in bytes, by the name of the variant. */
export const MEMORY: { readonly uploads: number; readonly bytes: Readonly<Record<string, number>> } = {
  uploads: 10,
  bytes: { '4 GiB': 2 ** 32, '400 MB': 400e6 },
}

/** Sends ten uploads to a server that has just started, and asks now and then for the delay of its event loop. */
export async function measureMemory(
  contender: Contender,
  workspace: Workspace,
  bytes: number,
): Promise<Sample> {
  const folder = await workspace.fresh()
  const server = await contender.start(folder)
  let eventLoopP99Ms = 0
  const look = async (): Promise<void> => {
    eventLoopP99Ms = Math.max(eventLoopP99Ms, await eventLoopOf(server.endpoint.url))
  }
  // An answer covers the last one to two minutes. So a question may fail, except for the last one.
  const timer = setInterval(() => void look().catch(() => {}), LOOK_EVERY_MS)
  try {
    const idleRssBytes = await idleMemory(server)
    const parallel = MEMORY.uploads
    const total = parallel * bytes
    const job = { kind: 'upload', server: server.endpoint, bytes, parallel } as const
    const sample = await measured(server, job, total / 1e6, total / 2 ** 30)
    await look()
    return { ...sample, idleRssBytes, eventLoopP99Ms }
  } finally {
    clearInterval(timer)
    await server.kill()
    await workspace.remove(folder)
  }
}

async function eventLoopOf(url: string): Promise<number> {
  // A server without an admin key ignores the header.
  const answer = await fetch(new URL('/api/status', url), { headers: AS_ADMIN })
  const { eventLoop }: { eventLoop: { p99Ms: number } } = JSON.parse(await answer.text())
  return eventLoop.p99Ms
}
