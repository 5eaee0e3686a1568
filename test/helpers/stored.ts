import { createHash } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import * as assert from 'uvu/assert'
import { type Row, rowsOf, type SidecarText, sidecarOf, storedFile, storedNames } from './proof.js'
import type { PseudoFile } from './sender.js'
import { eventually, idOf, type TestServer } from './server.js'

const WITHIN_MS = 60_000

/** What is stored of uploads, seen past the server. Uploads are named by their paths. */
export interface Stored {
  /** The ids of all uploads. */
  ids(): Promise<string[]>
  /** Everything there is: also of uploads that are being removed, and what crashes left. */
  names(): Promise<string[]>
  /** Tells whether there is anything of an upload. */
  has(path: string): Promise<boolean>
  /** Bytes that are stored; undefined where there is no upload. */
  bytesOf(path: string): Promise<number | undefined>
  /** The same with bytes that a running request has brought. */
  arrivedOf(path: string): Promise<number>
  /** The bytes of a finished upload. */
  contentOf(path: string): Promise<Buffer>
  /** Their SHA-256, lower-case hex. */
  digestOf(path: string): Promise<string>
  sidecarOf(path: string): Promise<SidecarText | undefined>
  /** The index, by id. */
  rows(): Promise<Map<string, Row>>
}

/** What is stored in a data folder. */
export function inFolder(place: Pick<TestServer, 'dataDir'>): Stored {
  const bytesOf = async (path: string) => statSync(storedFile(place, path), { throwIfNoEntry: false })?.size
  const names = async () => storedNames(place)
  return {
    ...{ names, bytesOf },
    ids: async () => [...new Set((await names()).map((name) => name.split('.')[0] ?? ''))],
    has: async (path) => {
      const file = storedFile(place, path)
      return existsSync(file) || existsSync(`${file}.json`)
    },
    arrivedOf: async (path) => (await bytesOf(path)) ?? 0,
    contentOf: (path) => readFile(storedFile(place, path)),
    digestOf: (path) => sha256Of(createReadStream(storedFile(place, path), { highWaterMark: 2 ** 20 })),
    sidecarOf: async (path) => {
      if (!existsSync(`${storedFile(place, path)}.json`)) return undefined
      return sidecarOf(place, path)
    },
    rows: async () => rowsOf(place),
  }
}

/** SHA-256, lower-case hex. */
export async function sha256Of(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of bytes) hash.update(part)
  return hash.digest('hex')
}

/** Holds what is stored against the file that was sent: the bytes, the sidecar and, once it is there, the row. */
export async function assertStoredIn(stored: Stored, path: string, file: PseudoFile): Promise<void> {
  const sha256 = file.sha256()
  assert.is(await stored.bytesOf(path), file.size, 'the size of the file')
  assert.is(await stored.digestOf(path), sha256, 'the digest of the file')
  assert.is((await stored.sidecarOf(path))?.sha256, sha256, 'the digest in the sidecar')
  const row = await eventually(WITHIN_MS, 'the finished row', async () => {
    const found = (await stored.rows()).get(idOf(path))
    return found?.state === 'finished' ? found : undefined
  })
  assert.is(row.sha256, sha256, 'the digest in the row')
  assert.is(row.offset, file.size, 'the offset in the row')
}
