import { createReadStream, existsSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { CheckRun, type CheckTools, type Findings } from './commands/check/check-run.js'
import { Pace } from './commands/check/pace.js'
import { type Console, exitCodeOf } from './commands/console.js'
import { splitFlags } from './commands/flags.js'
import { printable, shownBytes } from './commands/printable.js'
import { UsageError } from './commands/usage-error.js'
import { parseConfig } from './config.js'
import { currentBoot } from './files/boot.js'
import { everyName } from './files/every-name.js'
import { pathsOf } from './files/paths.js'
import { StoredFiles } from './files/stored-files.js'
import type { UploadRecord } from './model/record.js'
import { ReadOnlyRecords } from './records/sqlite/read-only.js'
import { size } from './setting-kinds.js'

const RATE = size('1KiB', '1TiB')

/**
 * `lading check`: proves every finished file. Resolves with the exit code: 0 where all is right, 1 where something is
 * missing, foreign or damaged. Rejects with UsageError and ConfigError.
 */
export async function check(args: readonly string[], console: Console): Promise<number> {
  const { own, rest } = splitFlags(args, { rate: { hasValue: true }, json: { hasValue: false } })
  const rate = own.get('rate')
  const parsedRate = rate === undefined ? undefined : v.safeParse(RATE, rate)
  if (parsedRate && !parsedRate.success)
    throw new UsageError(`--rate is ${printable(rate ?? '')} but must be ${v.getDescription(RATE)}`)
  const parsed = parseConfig(['reindex', ...rest], console.env, console.stdout.isTTY === true)
  if (!('reindex' in parsed)) throw new UsageError('see lading help check')
  const { dataDir, database, storage } = parsed.reindex
  if (storage !== 'files') throw new UsageError('lading check proves files; --storage is a bucket')
  if ((await statOf(dataDir)) === undefined)
    throw new UsageError(`there is no data folder ${printable(dataDir)}`)
  const index = await openIndex(dataDir, database, (name) => {
    console.stderr.write(`lading: ${name} cannot be read: uploads of which no file is left are not noticed\n`)
  })
  const { signal } = console
  const pace = new Pace(parsedRate?.output ?? Number.POSITIVE_INFINITY, signal)
  try {
    const found = await new CheckRun(toolsFor(dataDir, index, pace), console, own.has('json')).run()
    return ended(found, console, own.has('json'))
  } catch (error) {
    if (!signal.aborted) throw error
    console.stderr.write('lading: interrupted\n')
    return exitCodeOf(signal)
  } finally {
    await index.close()
  }
}

/** What reads the records of a database, and changes none. */
interface Reader {
  get(id: string): UploadRecord | undefined | Promise<UploadRecord | undefined>
  withFiles(afterId: string, limit: number): readonly UploadRecord[] | Promise<readonly UploadRecord[]>
  close(): void | Promise<void>
}

/** `failed` is called, once, where there is a database that cannot be read, with its name. */
async function openIndex(dataDir: string, database: string, failed: (name: string) => void): Promise<Index> {
  if (database !== 'sqlite') {
    const { openSql } = await import('./postgres/pool.js')
    const { PostgresReader } = await import('./records/postgres/postgres-reader.js')
    const sql = await openSql(database)
    return new Index(new PostgresReader(sql), () => failed(sql.place))
  }
  const path = join(dataDir, 'lading.db')
  const records = ReadOnlyRecords.open(path)
  if (!records && existsSync(path)) failed('lading.db')
  return new Index(records, () => failed('lading.db'))
}

/** The records, as long as they can be read: the files are proven without them too. */
class Index {
  readonly #failed: () => void
  #records: Reader | undefined

  constructor(records: Reader | undefined, failed: () => void) {
    this.#records = records
    this.#failed = failed
  }

  async ask<T>(question: (records: Reader) => T | Promise<T>): Promise<T | undefined> {
    try {
      return this.#records && (await question(this.#records))
    } catch {
      await this.close()
      this.#failed()
      return undefined
    }
  }

  async close(): Promise<void> {
    const records = this.#records
    this.#records = undefined
    await records?.close()
  }
}

function toolsFor(dataDir: string, index: Index, pace: Pace): CheckTools {
  const stored = new StoredFiles(dataDir, currentBoot(Date.now()))
  return {
    pace,
    names: () => everyName(dataDir),
    asLeft: (id) => stored.asLeft(id),
    bytesOf: async (path) => (await statOf(join(dataDir, path)))?.size,
    row: (id) => index.ask((records) => records.get(id)),
    rows: async (afterId, limit) => (await index.ask((records) => records.withFiles(afterId, limit))) ?? [],
    async *read(id, to, pieceBytes) {
      if (to === 0) return
      const { file } = pathsOf(dataDir, id)
      yield* createReadStream(file, { end: to - 1, highWaterMark: pieceBytes }) as AsyncIterable<Buffer>
    },
  }
}

async function statOf(path: string) {
  return lstat(path).catch(() => undefined)
}

function ended(found: Findings, { stdout }: Console, isJson: boolean): number {
  const { uploads, bytes, missing, foreign, damaged, leftovers } = found
  const text = isJson
    ? JSON.stringify(found)
    : `${uploads} uploads looked at, ${shownBytes(bytes)} proven: ${missing} missing, ${foreign} foreign, ` +
      `${damaged} damaged; ${leftovers} leftovers of a crash, which the server removes`
  stdout.write(`${text}\n`)
  return missing + foreign + damaged > 0 ? 1 : 0
}
