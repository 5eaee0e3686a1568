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
  const { dataDir } = parsed.reindex
  if ((await statOf(dataDir)) === undefined)
    throw new UsageError(`there is no data folder ${printable(dataDir)}`)
  const index = new Index(join(dataDir, 'lading.db'), () => {
    console.stderr.write(
      'lading: lading.db cannot be read: uploads of which no file is left are not noticed\n',
    )
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
    index.close()
  }
}

/** The records, as long as they can be read: the files are proven without them too. */
class Index {
  readonly #failed: () => void
  #records: ReadOnlyRecords | undefined

  /** `failed` is called, once, where there is a database that cannot be read. */
  constructor(path: string, failed: () => void) {
    this.#failed = failed
    this.#records = ReadOnlyRecords.open(path)
    if (!this.#records && existsSync(path)) failed()
  }

  ask<T>(question: (records: ReadOnlyRecords) => T): T | undefined {
    try {
      return this.#records && question(this.#records)
    } catch {
      this.close()
      this.#failed()
      return undefined
    }
  }

  close(): void {
    this.#records?.close()
    this.#records = undefined
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
    rows: (afterId, limit) => index.ask((records) => records.withFiles(afterId, limit)) ?? [],
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
