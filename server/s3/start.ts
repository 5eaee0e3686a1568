import type { S3Place } from '../model/s3-place.js'
import type { Sql } from '../model/sql.js'
import { S3Bucket } from './bucket.js'
import { claimPlace } from './claimed-place.js'
import { S3Engine, type S3EngineTools } from './engine.js'
import { FINALS_STEPS } from './finals-schema.js'
import { keyOf, tailsOf } from './keys.js'
import { LEDGER_STEPS } from './ledger-schema.js'
import { Leftovers, type LeftoversTools } from './leftovers.js'
import { emptyScratch } from './spool.js'
import { SqlFinals } from './sql-finals.js'
import { SqlLedger, type SqlLedgerTools } from './sql-ledger.js'
import { StoredUploads } from './stored-uploads.js'

/** Where uploads are. */
export interface S3Location {
  readonly place: S3Place
  /** Null for Amazon's own. */
  readonly endpoint: string | null
  /** Null: as the SDK finds it. */
  readonly region: string | null
  readonly sql: Sql
}

export interface S3Options extends S3Location, Pick<SqlLedgerTools, 'tokenOf' | 'isShared'> {
  readonly partBytes: number
  /** A folder of this process alone. It is emptied. */
  readonly scratch: string
  readonly writer: S3EngineTools['writer']
  readonly disk: S3EngineTools['disk']
  /** Does `work` under an upload's lock, where that is free. */
  readonly underLock: S3EngineTools['underLock']
  /** Does work that goes over everything in the bucket, unless another node does it now. */
  readonly unlessTaken: LeftoversTools['unlessTaken']
  readonly log: {
    info(fields: object, text: string): void
    warn(fields: object, text: string): void
    error(fields: object, text: string): void
  }
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
}

/** The engine on S3, with what runs beside it. */
export interface StartedS3 {
  readonly engine: S3Engine
  readonly leftovers: Leftovers
  /** Rejects where the bucket, or the ledger, cannot be reached. */
  check(): Promise<void>
}

/** Starts the engine on a bucket. Rejects where the bucket or the database cannot be asked, and with the system's error. */
export async function startS3(options: S3Options): Promise<StartedS3> {
  const { place, sql, log, now, monotonic, writer, scratch, disk, partBytes, endpoint, region } = options
  const { tokenOf, isShared, underLock, unlessTaken } = options
  const bucket = await S3Bucket.open({ bucket: place.bucket, endpoint, region })
  await bucket.check()
  await sql.migrate('s3', LEDGER_STEPS)
  await sql.migrate('s3_finals', FINALS_STEPS)
  await claimPlace(sql, place)
  const ledger = new SqlLedger({ sql, tokenOf, isShared })
  const finals = new SqlFinals({ sql, tokenOf, isShared })
  await emptyScratch(scratch)
  const tails = tailsOf(place)
  const engine = new S3Engine({
    ...{ bucket, ledger, finals, tails, scratch, writer, disk, log, now, monotonic, tokenOf, underLock },
    bucketName: place.bucket,
    keyOf: (id) => keyOf(place, id),
    leastPartBytes: partBytes,
    discard: (keys) => {
      bucket.remove(keys).catch((error: unknown) => {
        log.warn(
          { err: error, keys },
          'tails that are not needed any more are left to the search for leftovers',
        )
      })
    },
  })
  const leftovers = new Leftovers({ bucket, ledger, tails, prefix: place.prefix, log, now, unlessTaken })
  const check = async (): Promise<void> => {
    await Promise.all([bucket.check(), ledger.find('')])
  }
  return { engine, leftovers, check }
}

/** What is stored, to look at beside a running server. Rejects where the database cannot be asked. */
export async function lookAtS3({ place, endpoint, region, sql }: S3Location): Promise<StoredUploads> {
  const bucket = await S3Bucket.open({ bucket: place.bucket, endpoint, region })
  await sql.migrate('s3', LEDGER_STEPS)
  const looking = { sql, tokenOf: NO_WRITER.tokenOf, isShared: true }
  return new StoredUploads({
    ...{ bucket, tails: tailsOf(place), bucketName: place.bucket },
    ...{ ledger: new SqlLedger(looking), finals: new SqlFinals(looking) },
    keyOf: (id) => keyOf(place, id),
    ...NO_WRITER,
  })
}

/** Who only looks writes nothing. */
const NO_WRITER = {
  tokenOf: () => undefined,
  underLock: async () => {},
  leastPartBytes: 0,
  discard: () => {},
  writer: { closeFile: async () => {}, resume: hasNone, saveDigest: hasNone, prove: hasNone },
  scratch: '',
  log: { warn: () => {} },
  now: () => 0,
  monotonic: () => 0,
}

async function hasNone(): Promise<never> {
  throw new Error('who only looks has no digest')
}
