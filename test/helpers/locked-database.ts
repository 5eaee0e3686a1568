import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestServer } from './server.js'

const LIBRARY = new URL('../../server/sqlite.js', import.meta.url).href
const LOCKER = `
  const [library, path, ...statements] = process.argv.slice(1)
  const { openSqlite } = await import(library)
  const db = openSqlite(path, { timeout: 5000 })
  for (const statement of statements) db.exec(statement)
  console.log('locked')
  process.stdin.resume().on('end', () => process.exit(db.open ? 0 : 1))`

/** Another process has run these statements; the function that is returned ends it. Fails where one of them does. */
export async function lockedBy(path: string, ...statements: string[]): Promise<() => Promise<void>> {
  const args = ['--input-type=module', '--eval', LOCKER, LIBRARY, path, ...statements]
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

/** Another process locks the database of a server; the function that is returned ends it. Fails where it gets no lock. */
export function lockDatabase(server: Pick<TestServer, 'dataDir'>): Promise<() => Promise<void>> {
  return lockedBy(join(server.dataDir, 'lading.db'), 'BEGIN EXCLUSIVE')
}
