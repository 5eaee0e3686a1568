import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { S3 } from '@aws-sdk/client-s3'
import { s3PlaceOf } from '../../server/model/s3-place.js'
import type { Sql } from '../../server/model/sql.js'
import { keyOf } from '../../server/s3/keys.js'
import { storedBytesOf } from '../../server/s3/ledger.js'
import { SqlLedger } from '../../server/s3/sql-ledger.js'
import type { Row } from './proof.js'
import { idOf } from './server.js'
import { type Stored, sha256Of } from './stored.js'

export interface BucketPlace {
  readonly s3: S3
  /** As `--storage` names it. */
  readonly storage: string
  /** On the nodes' database. */
  readonly sql: Sql
  /** The data folders of all nodes. */
  readonly dataDirs: readonly string[]
}

/** What is stored in a bucket and its ledger. */
export function inBucket({ s3, storage, sql, dataDirs }: BucketPlace): Stored {
  const place = s3PlaceOf(storage)
  if (!place) throw new Error(`${storage} is no place`)
  const Bucket = place.bucket
  const ledger = new SqlLedger({ sql, tokenOf: () => undefined, isShared: true })
  const find = (path: string) => ledger.find(idOf(path))
  const read = async (path: string): Promise<Readable> => {
    const { Body } = await s3.getObject({ Bucket, Key: keyOf(place, idOf(path)) })
    if (!Body) throw new Error('an object without a body')
    // In Node the SDK gives a stream of Node's.
    return Body as Readable
  }
  const names = async (): Promise<string[]> => {
    const { Contents = [] } = await s3.listObjectsV2({ Bucket })
    const { Uploads = [] } = await s3.listMultipartUploads({ Bucket })
    return [...Contents.map(({ Key }) => `${Key}`), ...Uploads.map(({ Key }) => `multipart ${Key}`)].sort()
  }
  const bytesOf = async (path: string): Promise<number | undefined> => {
    const kept = await find(path)
    return kept && storedBytesOf(kept)
  }
  return {
    ...{ names, bytesOf },
    ids: async () => {
      const { rows } = await sql.query<{ id: string }>('SELECT id FROM s3_uploads WHERE NOT is_removed')
      return rows.map(({ id }) => id)
    },
    has: async (path) => {
      const { rows } = await sql.query('SELECT id FROM s3_uploads WHERE id = $1', [idOf(path)])
      return rows.length > 0 || (await names()).some((name) => name.includes(idOf(path)))
    },
    arrivedOf: async (path) => {
      const spooled = dataDirs.flatMap((dataDir) => spooledBytes(join(dataDir, 'scratch'), idOf(path)))
      return Math.max((await bytesOf(path)) ?? 0, ...spooled)
    },
    contentOf: async (path) => Buffer.concat(await (await read(path)).toArray()),
    digestOf: async (path) => sha256Of(await read(path)),
    sidecarOf: async (path) => {
      const kept = await find(path)
      return kept && JSON.parse(kept.facts)
    },
    rows: async () => {
      const { rows } = await sql.query<Row>('SELECT id, state, "offset", length, sha256 FROM uploads')
      return new Map(rows.map((row) => [row.id, row]))
    },
  }
}

/** Where the bytes end that stand in the files of a scratch folder: each stands where it does in the upload. */
function spooledBytes(scratch: string, id: string): number[] {
  const folders = readdirSync(scratch, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return folders.flatMap(({ name }) => {
    return statSync(join(scratch, name, id), { throwIfNoEntry: false })?.size ?? []
  })
}
