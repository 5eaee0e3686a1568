import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { type RecordStore, RecordsError } from '../../server/model/record-store.js'
import { openSqliteRecords, type SqliteRecordsOptions } from '../../server/records/sqlite/sqlite-records.js'
import { openSqlite } from '../../server/sqlite.js'
import { lockedBy } from './locked-database.js'
import { RECORD_BYTES } from './record.js'

export { AT, RECORD_BYTES, record, sidecars } from './record.js'

/** Where a test keeps its database, and what it does there. */
export interface Place {
  folder: string
  path: string
  /** What the index logged, as `level: message`. */
  lines: string[]
  open(options?: Partial<SqliteRecordsOptions>): RecordStore
  lock(...statements: string[]): Promise<Lock>
}

export interface Lock {
  release(): Promise<void>
}

const opened: RecordStore[] = []
const locks: Lock[] = []

/** Each test of a suite gets a folder of its own; what it left open there is closed behind it. */
export function placeFor(test: Pick<Test<Place>, 'before' | 'after'>): void {
  test.before.each(arrive)
  test.after.each(leave)
}

function arrive(place: Place): void {
  const folder = mkdtempSync(join(tmpdir(), 'lading-records-'))
  const lines: string[] = []
  const log = {
    info: (_: object, message: string) => lines.push(`info: ${message}`),
    warn: (_: object, message: string) => lines.push(`warn: ${message}`),
    error: (_: object, message: string) => lines.push(`error: ${message}`),
  }
  const path = join(folder, 'lading.db')
  const open = (options: Partial<SqliteRecordsOptions> = {}) => {
    const records = openSqliteRecords({
      databasePath: path,
      queueBytes: 10_000 * RECORD_BYTES,
      log,
      ...options,
    })
    opened.push(records)
    return records
  }
  Object.assign(place, { folder, path, lines, open, lock: (...sql: string[]) => lock(path, sql) })
}

async function leave({ folder }: Place): Promise<void> {
  await Promise.all(locks.splice(0).map((each) => each.release()))
  await Promise.all(opened.splice(0).map((records) => records.close(1000)))
  rmSync(folder, { recursive: true })
}

/** Another process that has run these statements, and ends when it is told to. */
async function lock(path: string, statements: string[]): Promise<Lock> {
  const held = { release: await lockedBy(path, ...statements) }
  locks.push(held)
  return held
}

/** Waits for what another thread or process brings about. */
export async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 15_000
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, `in time: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

export function range(count: number): number[] {
  return [...Array(count).keys()]
}

/** All rows, as columns, through a connection of the test's own. */
export function rows(path: string): Record<string, unknown>[] {
  const db = openSqlite(path, { readonly: true })
  try {
    return db.prepare<[], Record<string, unknown>>('SELECT * FROM uploads ORDER BY id').all()
  } finally {
    db.close()
  }
}

/** Transactions in the -wal file: frames that carry the database's size after a commit. */
export function commits(path: string): number {
  const wal = readFileSync(`${path}-wal`)
  const frameBytes = 24 + wal.readUInt32BE(8)
  const salts = wal.subarray(16, 24)
  let count = 0
  for (let at = 32; at + frameBytes <= wal.length; at += frameBytes) {
    const isCurrent = wal.subarray(at + 8, at + 16).equals(salts)
    if (isCurrent && wal.readUInt32BE(at + 4) !== 0) count += 1
  }
  return count
}

export async function rejection(promise: Promise<unknown>): Promise<RecordsError> {
  const error: unknown = await promise.then(
    () => undefined,
    (cause) => cause,
  )
  if (!(error instanceof RecordsError)) throw new Error(`No RecordsError but ${error}`)
  return error
}
