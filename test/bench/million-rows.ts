/**
 * `node dist/test/bench/million-rows.js [rows]`: fills an index with a million rows, prints the plan of each query, and
 * how long each filter of the list takes, beside writing and without it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RecordStore } from '../../server/model/record-store.js'
import { EVERY_UPLOAD, LIST_START, nameKey, type UploadFilter } from '../../server/model/upload-list.js'
import { Database } from '../../server/records/sqlite/database.js'
import { WAYS_TO_ROWS } from '../../server/records/sqlite/lists.js'
import { openSqliteRecords } from '../../server/records/sqlite/sqlite-records.js'
import { openSqlite } from '../../server/sqlite.js'
import { record } from '../helpers/record.js'

const ROWS = Number(process.argv[2] ?? 1_000_000)
const ROUNDS = 300
const TYPES = [
  'image/jpeg',
  'image/png',
  'video/mp4',
  'application/pdf',
  'text/plain',
  'image/webp',
  'audio/mpeg',
]
const NAMES = ['IMG_', 'DSC', 'Screenshot ', 'Rechnung ', 'Übersicht ', 'report-', 'backup-']
const START_MS = Date.parse('2026-01-01T00:00:00.000Z')
const folder = mkdtempSync(join(tmpdir(), 'lading-rows-'))
const databasePath = join(folder, 'lading.db')

const stateOf = (number: number) => {
  if (number > ROWS - 2_000) return 'paused'
  return number % 50 === 0
    ? 'expired'
    : number % 97 === 0
      ? 'terminated'
      : number % 5_000 === 1
        ? 'refused'
        : 'finished'
}

function rowOf(number: number) {
  const random = (number * 2_654_435_761) % 4_294_967_296
  const day = new Date(START_MS + number * 25_000).toISOString()
  return record(number, {
    id: `${day.slice(0, 10).replaceAll('-', '')}-${random.toString(16).padStart(8, '0').repeat(4)}`,
    state: stateOf(number),
    type: TYPES[random % 11] ?? 'application/octet-stream',
    filename: `${NAMES[random % 7]}${random % 1_000_000}.dat`,
    owner: `owner ${random % 1_000}`,
    grantId: number % 1_000 === 0 ? 'a'.repeat(32) : null,
    ...{
      createdAt: day,
      updatedAt: day,
      finishedAt: day,
      sha256: 'ab'.repeat(32),
      length: 5_000,
      offset: 5_000,
    },
  })
}

const CASES: Readonly<Record<string, Partial<UploadFilter>>> = {
  'no filter': {},
  'state finished': { states: ['finished'] },
  'state refused (1 of 5,000)': { states: ['refused'] },
  'three states': { states: ['refused', 'expired', 'terminated'] },
  'type image/webp': { types: ['image/webp'] },
  'types image/*': { types: ['image/*'] },
  'types image/* and application/pdf': { types: ['image/*', 'application/pdf'] },
  'owner (1 of 1,000)': { owner: 'owner 7' },
  'q: 1 of 7 names': { prefix: 'img_' },
  'q: few names': { prefix: 'übersicht 1234' },
  'q: no name': { prefix: 'zzz' },
  'q: an id': { prefix: rowOf(1_234).id.slice(0, 12) },
  'q: a year of ids': { prefix: '2026' },
  'a week': { from: '2026-03-01T00:00:00.000Z', before: '2026-03-08T00:00:00.000Z' },
  'image/* finished': { types: ['image/*'], states: ['finished'] },
  'image/* refused': { types: ['image/*'], states: ['refused'] },
  'q in a state': { prefix: 'report-', states: ['finished'] },
  'q, type, state and a week': {
    ...{ prefix: 'dsc', types: ['image/*'], states: ['finished'] },
    ...{ from: '2026-03-01T00:00:00.000Z', before: '2026-03-08T00:00:00.000Z' },
  },
  'owner, state and type': { owner: 'owner 7', states: ['finished'], types: ['image/*'] },
}

function fill(): void {
  const database = new Database(databasePath, '2026-01-01T00:00:00.000Z')
  const startedAtMs = performance.now()
  for (let from = 0; from < ROWS; from += 512) {
    const live = Array.from({ length: Math.min(512, ROWS - from) }, (_, index) => rowOf(from + index))
    database.write({ live, restored: [], incomplete: false })
  }
  console.log(`${ROWS} rows in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`)
  database.close()
}

function printPlans(): void {
  const db = openSqlite(databasePath, { readonly: true })
  for (const [name, [index, condition]] of Object.entries(WAYS_TO_ROWS)) {
    const text = `SELECT created_at, id FROM uploads INDEXED BY ${index} WHERE ${condition} AND (created_at, id) < (@at, @id)
      ORDER BY created_at DESC, id DESC LIMIT 51`
    const bound = { value: nameKey('x'), valueEnd: 'y', at: '~', id: '' }
    const plan = db.prepare<typeof bound, { detail: string }>(`EXPLAIN QUERY PLAN ${text}`).all(bound)
    console.log(`plan by ${name}: ${plan.map(({ detail }) => detail).join('; ')}`)
  }
  db.close()
}

async function measure(store: RecordStore, what: string): Promise<void> {
  for (const [name, changes] of Object.entries(CASES)) {
    const filter = { ...EVERY_UPLOAD, ...changes }
    const times: number[] = []
    let place = LIST_START
    let found = 0
    for (let round = 0; round < ROUNDS; round++) {
      const startedAtMs = performance.now()
      const { items, next } = await store.list(filter, place, 50)
      times.push(performance.now() - startedAtMs)
      found = items.length
      place = next ?? LIST_START
    }
    times.sort((a, b) => a - b)
    const at = (share: number): string => (times[Math.floor(ROUNDS * share)] ?? 0).toFixed(2)
    console.log(`${what}, ${name}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (${found} on the last page)`)
  }
}

try {
  fill()
  printPlans()
  const log = { info() {}, warn() {}, error() {} }
  const store = openSqliteRecords({ databasePath, queueBytes: 7 * 1024 * 1024, log })
  await store.ready
  await measure(store, 'alone')
  const startedAtMs = performance.now()
  const total = await store.count(EVERY_UPLOAD)
  console.log(`count of ${total}: ${(performance.now() - startedAtMs).toFixed(0)} ms`)
  let number = ROWS
  const writing = setInterval(() => {
    for (let count = 0; count < 20; count++) store.put(rowOf(number++))
  }, 10)
  await measure(store, 'while 2,000 records a second are written')
  clearInterval(writing)
  await store.close(10_000)
} finally {
  rmSync(folder, { recursive: true })
}
