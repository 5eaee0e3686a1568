import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openSqlite } from '../../server/sqlite.js'
import type { PseudoFile } from './sender.js'
import { eventually, fileOf, idOf, type TestServer } from './server.js'

type Place = Pick<TestServer, 'dataDir'>

/** What a test reads of a sidecar. */
export interface SidecarText {
  bootId: string
  /** Upload-Concat. */
  concat: string | null
  length: number | null
  /** The type seen in the first bytes. */
  type: string | null
  sha256: string | null
  finishedAt: string | null
  checkpoints: { offset: number; sha256: string }[]
}

/** What a test reads of a row. */
export interface Row {
  readonly id: string
  readonly state: string
  readonly offset: number
  readonly length: number | null
  readonly sha256: string | null
}

/** Where an upload's bytes lie, from its path. */
export function storedFile(place: Place, path: string): string {
  return fileOf(place, idOf(path))
}

/** The size of an upload's file in bytes. */
export function storedBytes(place: Place, path: string): number {
  return statSync(storedFile(place, path)).size
}

/** An upload's sidecar. */
export function sidecarOf(place: Place, path: string): SidecarText {
  return JSON.parse(readFileSync(`${storedFile(place, path)}.json`, 'utf8'))
}

/** The rows of the index, by id, as another process sees them; none while the server has yet to make it. */
export function rowsOf(place: Place): Map<string, Row> {
  const path = join(place.dataDir, 'lading.db')
  if (!existsSync(path)) return new Map()
  const db = openSqlite(path, { readonly: true, timeout: 5_000 })
  try {
    const tables = db.prepare(`SELECT name FROM sqlite_schema WHERE name = 'uploads'`).all()
    if (tables.length === 0) return new Map()
    const rows = db.prepare<[], Row>('SELECT id, state, offset, length, sha256 FROM uploads').all()
    return new Map(rows.map((row) => [row.id, row]))
  } finally {
    db.close()
  }
}

/** The names of all files under `uploads`, without their folders. */
export function storedNames(place: Place): string[] {
  const entries = readdirSync(join(place.dataDir, 'uploads'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

/** SHA-256 of an upload's file, lower-case hex. */
export async function storedDigest(place: Place, path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(storedFile(place, path), { highWaterMark: 2 ** 20 }))
    hash.update(part)
  return hash.digest('hex')
}

/** RFC 9530's form of a file's digest. */
export function reprDigestOf(file: PseudoFile): string {
  return `sha-256=:${Buffer.from(file.sha256(), 'hex').toString('base64')}:`
}

/** Holds what is stored against the file that was sent: the bytes, the sidecar and, once it is there, the row. */
export async function assertStored(place: Place, path: string, file: PseudoFile): Promise<void> {
  const sha256 = file.sha256()
  assert.is(storedBytes(place, path), file.size, 'the size of the file')
  assert.is(await storedDigest(place, path), sha256, 'the digest of the file')
  assert.is(sidecarOf(place, path).sha256, sha256, 'the digest in the sidecar')
  const row = await eventually(60_000, 'the finished row', async () => {
    const found = rowsOf(place).get(idOf(path))
    return found?.state === 'finished' ? found : undefined
  })
  assert.is(row.sha256, sha256, 'the digest in the row')
  assert.is(row.offset, file.size, 'the offset in the row')
}
