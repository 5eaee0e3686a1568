import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createSniffer } from '../hooks/types/sniff.js'
import { type Console, exitCodeOf } from './commands/console.js'
import { splitFlags } from './commands/flags.js'
import { Migration, type MigrationTools } from './commands/migrate/migration.js'
import { TUSD_FLAGS } from './commands/migrate/tusd-flags.js'
import { TusdFolder } from './commands/migrate/tusd-folder.js'
import { shownBytes } from './commands/printable.js'
import { UsageError } from './commands/usage-error.js'
import { type Config, parseConfig } from './config.js'
import { Adoption } from './files/adoption.js'
import { currentBoot } from './files/boot.js'
import { StoredFiles } from './files/stored-files.js'
import { createLog } from './log.js'
import { lockFolder } from './records/sqlite/folder-lock.js'
import { openRecords } from './reindex.js'
import { loadUpload } from './uploads/load-upload.js'
import { processName } from './vitals.js'

const RECORDS_WITHIN_MS = 60_000

type Adopting = Pick<MigrationTools, 'adopt' | 'record' | 'flush'>

/**
 * `lading migrate-tusd`: takes over tusd's data folder. Resolves with the exit code: 0 where everything was taken over,
 * 1 where something was left. Rejects with UsageError, ConfigError, and FolderLockError while a server has the folder.
 */
export async function migrateTusd(args: readonly string[], console: Console): Promise<number> {
  const { own, rest } = splitFlags(args, { 'dry-run': { hasValue: false } })
  const [path, ...flags] = rest
  if (path === undefined || path === '' || path.startsWith('-'))
    throw new UsageError('name the folder of tusd first: lading migrate-tusd DIR')
  const parsed = parseConfig(['reindex', ...flags], console.env, console.stdout.isTTY === true)
  if (!('reindex' in parsed)) throw new UsageError('see lading help migrate-tusd')
  const config = parsed.reindex
  if (config.storage !== 'files')
    throw new UsageError('lading migrate-tusd takes files over; --storage is a bucket')
  const folder = new TusdFolder(path)
  const pid = await folder.lockHolder()
  if (pid !== undefined) throw new UsageError(`tusd (process ${pid}) uses this folder: stop it first`)
  const isDry = own.has('dry-run')
  const migrate = (adopting: Adopting): Promise<number> => run({ folder, config, console, isDry, adopting })
  if (isDry) return migrate(CHANGES_NOTHING)
  await mkdir(join(config.dataDir, 'uploads'), { recursive: true, mode: 0o750 })
  const lock = await lockFolder(config.dataDir, processName())
  const records = await openRecords(config, await createLog({ ...config, logLevel: 'warn' }))
  try {
    const adoption = new Adoption(config.dataDir, currentBoot(Date.now()))
    const stored = storedIn(config)
    return await migrate({
      adopt: (adopted, signal) => adoption.adopt(adopted, signal),
      record: async (id) => {
        const found = await loadUpload(stored, id)
        if (found.kind !== 'upload') throw new Error('its bytes are not as they were left')
        await records.restore(found.upload.toRecordAtRest())
      },
      flush: async () => {
        if (!(await records.flush(RECORDS_WITHIN_MS))) throw new Error('the database cannot be written')
      },
    })
  } finally {
    await records.close(RECORDS_WITHIN_MS)
    lock.release()
  }
}

const CHANGES_NOTHING: Adopting = {
  adopt: async () => {},
  record: async () => {},
  flush: async () => {},
}

function storedIn({ dataDir }: Config): StoredFiles {
  return new StoredFiles(dataDir, currentBoot(Date.now()))
}

async function run(given: {
  folder: TusdFolder
  config: Config
  console: Console
  isDry: boolean
  adopting: Adopting
}): Promise<number> {
  const { folder, config, console, isDry, adopting } = given
  const { basePath, accept } = config
  const stored = storedIn(config)
  const sniff = createSniffer(accept)
  const typeOf: MigrationTools['typeOf'] = async (head, whole, { filename, declaredType }) => {
    return (await sniff({ head, whole, filename, declaredType, accept: null })).type
  }
  const load = (id: string) => stored.load(id)
  const done = await new Migration({ folder, basePath, load, typeOf, isDry, ...adopting }, console).run()
  const { signal, stdout, stderr } = console
  if (signal.aborted) {
    stderr.write('lading: interrupted; give the same command again to go on\n')
    return exitCodeOf(signal)
  }
  const verb = isDry ? 'would be taken over' : 'taken over'
  const { finished, unfinished, left, bytes } = done
  stdout.write(
    `${finished} finished and ${unfinished} unfinished uploads ${verb}, ${shownBytes(bytes)}; ${left} left\n`,
  )
  const width = Math.max(...TUSD_FLAGS.map(([tusd]) => tusd.length))
  stdout.write("\ntusd's flags, and Lading's:\n")
  for (const [tusd, ours] of TUSD_FLAGS) stdout.write(`  ${tusd.padEnd(width)}  ${ours}\n`)
  return left > 0 ? 1 : 0
}
