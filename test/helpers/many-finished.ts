import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openSqlite } from '../../server/sqlite.js'
import { fileOf, type TestServer } from './server.js'

const DAY_MS = 86_400_000

/**
 * Copies a finished upload `count` times, with its row, over as many days before today as given; the server must not
 * run. Gives the ids.
 */
export function copyFinished(
  server: Pick<TestServer, 'dataDir'>,
  id: string,
  { count, days }: { count: number; days: number },
): string[] {
  const from = fileOf(server, id)
  const sidecar = readFileSync(`${from}.json`, 'utf8')
  const db = openSqlite(join(server.dataDir, 'lading.db'))
  const row = db.prepare<string, Record<string, unknown>>('SELECT * FROM uploads WHERE id = ?').get(id) ?? {}
  // SQLite makes the family of a type by itself.
  const columns = Object.keys(row).filter((column) => column !== 'family')
  const insert = db.prepare(
    `INSERT INTO uploads (${columns.join(', ')}) VALUES (${columns.map((column) => `@${column}`).join(', ')})`,
  )
  const ids = Array.from({ length: count }, (_, number) => {
    const day = new Date(Date.now() - (number % days) * DAY_MS).toISOString().slice(0, 10)
    return `${day.replaceAll('-', '')}-${randomBytes(16).toString('hex')}`
  })
  db.transaction(() => {
    for (const copy of ids) {
      const to = fileOf(server, copy)
      mkdirSync(dirname(to), { recursive: true })
      copyFileSync(from, to)
      writeFileSync(`${to}.json`, sidecar.replaceAll(id, copy))
      insert.run({ ...row, id: copy, path: String(row.path).replaceAll(id, copy) })
    }
  })()
  db.close()
  return ids
}
