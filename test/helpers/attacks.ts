import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { TestServer } from './server.js'

/** What goes on for `forMs` milliseconds; everything is given back before it resolves. */
export type Attack = (server: TestServer, forMs: number) => Promise<void>

/** The longest Upload-Metadata that is taken: its file name has 6,129 characters. */
export const LARGEST_METADATA = `filename ${'QUFB'.repeat(2043)}`

const FLOODING_CONNECTIONS = 16

const LOCKER = `
  const [library, path] = process.argv.slice(1)
  const db = new (require(library))(path, { timeout: 5000 })
  db.exec('BEGIN EXCLUSIVE')
  console.log('locked')
  process.stdin.resume().on('end', () => process.exit())`

/** Another process locks the database; the function that is returned ends it. Fails where it gets no lock. */
export async function lockDatabase(server: Pick<TestServer, 'dataDir'>): Promise<() => Promise<void>> {
  const library = createRequire(import.meta.url).resolve('better-sqlite3')
  const args = ['-e', LOCKER, library, join(server.dataDir, 'lading.db')]
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  const ended = once(child, 'exit')
  await Promise.race([once(child.stdout, 'data'), ended])
  if (child.exitCode !== null) throw new Error('the other process got no lock')
  return async () => {
    child.stdin.end()
    await ended
    process.off('exit', kill)
  }
}

/** Creates uploads as fast as they are answered, over 16 connections. Resolves with how many each status answered. */
export async function floodCreations(
  server: TestServer,
  forMs: number,
  metadata?: string,
): Promise<ReadonlyMap<number, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: FLOODING_CONNECTIONS })
  const counts = new Map<number, number>()
  const until = performance.now() + forMs
  const headers = {
    'Tus-Resumable': '1.0.0',
    'Upload-Length': 1000,
    ...(metadata === undefined ? {} : { 'Upload-Metadata': metadata }),
  }
  const flood = async (): Promise<void> => {
    while (performance.now() < until) {
      const status = await statusOf(agent, server.url, headers)
      counts.set(status, (counts.get(status) ?? 0) + 1)
    }
  }
  try {
    await Promise.all(Array.from({ length: FLOODING_CONNECTIONS }, flood))
    return counts
  } finally {
    agent.destroy()
  }
}

/** The status of a POST's answer; 0 where there is none. */
function statusOf(agent: Agent, url: string, headers: Record<string, string | number>): Promise<number> {
  return new Promise((resolve) => {
    const request = httpRequest(url, { agent, method: 'POST', headers }, (response) => {
      response.on('error', () => resolve(0)).resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', () => resolve(0))
    request.end()
  })
}
