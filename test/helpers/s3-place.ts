import { readdirSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { Disk } from '../../server/files/disk.js'
import { Writer } from '../../server/files/writer.js'
import { Arena } from '../../server/intake/arena.js'
import { s3PlaceOf } from '../../server/model/s3-place.js'
import type { Sql } from '../../server/model/sql.js'
import { openSql } from '../../server/postgres/pool.js'
import { keyOf } from '../../server/s3/keys.js'
import { type StartedS3, startS3 } from '../../server/s3/start.js'
import type { EnginePlace } from './engine-place.js'
import type { Postgres } from './postgres.js'
import type { Radosgw } from './radosgw.js'
import { temporaryFolder } from './server.js'

const PREFIX = 'some/where'
const MIB = 1024 * 1024
/** The least that S3 takes. */
export const PART_BYTES = 5 * MIB

/** The servers that the tests of a file share. */
export interface S3Servers {
  readonly radosgw: Radosgw
  readonly postgres: Postgres
}

/** An engine on S3, with what a test needs to look behind it. */
export interface S3Place extends EnginePlace {
  readonly started: StartedS3
  readonly bucket: string
  readonly sql: Sql
  readonly radosgw: Radosgw
  readonly scratch: string
  /** The key of an upload's object. */
  keyOf(id: string): string
  /** Another process over the same bucket and database. */
  again(): Promise<StartedS3>
  /** The keys of all objects, and of multipart uploads with `multipart ` before them. */
  names(): Promise<string[]>
}

/** A new bucket and database, and an engine over them, which asks S3 at `endpoint`. */
export async function onS3(
  { radosgw, postgres }: S3Servers,
  {
    partBytes = PART_BYTES,
    endpoint = radosgw.endpoint,
    isHeld = () => true,
  }: { partBytes?: number; endpoint?: string; isHeld?: () => boolean } = {},
): Promise<S3Place> {
  const arena = new Arena({ blocks: 64, blockBytes: 256 * 1024 })
  const bucket = await radosgw.bucket()
  const place = s3PlaceOf(`s3://${bucket}/${PREFIX}`)
  if (!place) throw new Error('no place')
  const url = await postgres.database()
  const sql = await openSql(url)
  const started: StartedS3[] = []
  const scratches: string[] = []
  const monotonic = (): number => performance.now()
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const start = async (): Promise<StartedS3> => {
    const scratch = temporaryFolder()
    scratches.push(scratch)
    const disk = new Disk({ folder: scratch, minFreeBytes: 0, monotonic })
    const token = started.length + 1
    const next = await startS3({
      ...{
        tokenOf: () => (isHeld() ? token : undefined),
        isShared: false,
        underLock: (_id, work) => work(),
        unlessTaken: (work) => work(),
      },
      ...{ place, endpoint, region: null, partBytes, scratch, sql, disk, log, monotonic },
      writer: new Writer(1, { arena, ended: () => {} }),
      now: Date.now,
    })
    started.push(next)
    return next
  }
  const first = await start()
  const { s3 } = radosgw
  const tailsOf = async (id: string): Promise<{ key: string }[]> => {
    const { rows } = await sql.query<{ tails: string }>('SELECT tails FROM s3_uploads WHERE id = $1', [id])
    return JSON.parse(rows[0]?.tails ?? '[]')
  }
  return {
    ...{ arena, engine: first.engine, started: first, bucket, sql, radosgw, scratch: scratches[0] ?? '' },
    keyOf: (id) => keyOf(place, id),
    again: start,
    restart: async () => (await start()).engine,
    cut: async (id, bytes) => {
      for (const scratch of scratches)
        for (const folder of readdirSync(scratch))
          if (readdirSync(join(scratch, folder)).includes(id))
            truncateSync(join(scratch, folder, id), bytes ?? 0)
      for (const { key } of await tailsOf(id)) {
        if (bytes === undefined) await s3.deleteObject({ Bucket: bucket, Key: key })
        else await s3.putObject({ Bucket: bucket, Key: key, Body: 'x'.repeat(bytes) })
      }
      // An upload without bytes has no object that could be gone.
      if (bytes === undefined && (await tailsOf(id)).length === 0)
        await sql.query('UPDATE s3_uploads SET is_removed = true WHERE id = $1', [id])
    },
    tear: async (id) => void (await sql.query(`UPDATE s3_uploads SET facts = '{' WHERE id = $1`, [id])),
    names: async () => {
      const { Contents = [] } = await s3.listObjectsV2({ Bucket: bucket })
      const { Uploads = [] } = await s3.listMultipartUploads({ Bucket: bucket })
      return [...Contents.map(({ Key }) => `${Key}`), ...Uploads.map(({ Key }) => `multipart ${Key}`)]
    },
    end: async () => {
      await Promise.all(started.map(({ engine }) => engine.end().catch(() => {})))
      await sql.end()
    },
  }
}
