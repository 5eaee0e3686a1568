import { readFileSync } from 'node:fs'
import { inspect, parseArgs } from 'node:util'
import * as v from 'valibot'
import { conflictIn } from './conflicts.js'
import { SWITCH_WORDS } from './setting-kinds.js'
import { SETTINGS } from './settings.js'
import { withSwitchValues } from './switches.js'

const CONFIG = v.strictObject(SETTINGS)

/** Every setting, checked and frozen. A name ends with its unit where the value has one. */
export type Config = Readonly<v.InferOutput<typeof CONFIG>>

/** What the command line asks for. */
type Command = { run: Config } | { reindex: Config } | { help: string } | { version: true }

/** A setting is wrong. The message is one line with its name, its value and what is allowed. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

const TABLE = Object.entries(SETTINGS).map(([field, schema]) => {
  const { flag, standard, meaning, shown, isSwitch, ...more } = v.getMetadata(schema)
  const variable = `LADING_${flag.toUpperCase().replaceAll('-', '_')}`
  const isSecret = 'isSecret' in more
  const allowed = v.getDescription(schema) ?? ''
  return {
    field,
    flag,
    variable,
    standard,
    shown,
    meaning,
    isSwitch,
    isSecret,
    fileVariable: isSecret ? `${variable}_FILE` : undefined,
    allowed: isSecret ? `${allowed}; or ${variable}_FILE is the path of a file that has it` : allowed,
  }
})

const DEFAULTS = Object.fromEntries(TABLE.map(({ field, standard }) => [field, standard]))

const SWITCHES = new Set(TABLE.filter(({ isSwitch }) => isSwitch).map(({ flag }) => flag))

/** What `lading upload` reads; whoever uses it may start a server too. */
const OF_UPLOAD: ReadonlySet<string> = new Set(['LADING_GRANT', 'LADING_GRANT_FILE'])

/** What was given for each field, and the name of the flag or variable that gave it. */
type Given = Map<string, { name: string; value: unknown }>

function check(given: Given): Config {
  const values = Object.fromEntries([...given].map(([field, { value }]) => [field, value]))
  const result = v.safeParse(CONFIG, { ...DEFAULTS, ...values })
  if (result.success) return withoutConflict(Object.freeze(result.output))
  const field = String(result.issues[0].path?.[0].key)
  const setting = TABLE.find((row) => row.field === field)
  if (!setting) throw new ConfigError(`${oneLine(field)} is not a setting`)
  const { name, value } = given.get(field) ?? { name: field, value: setting.standard }
  const shown = setting.isSecret ? 'a text that is not shown' : oneLine(value)
  throw new ConfigError(`${name} is ${shown} but must be ${setting.allowed}`)
}

function withoutConflict(config: Config): Config {
  const conflict = conflictIn(config)
  if (conflict !== undefined) throw new ConfigError(conflict)
  return config
}

function oneLine(value: unknown): string {
  return inspect(value, { breakLength: Infinity, depth: 1, maxStringLength: 100, maxArrayLength: 10 })
    .replaceAll(/\s*\n\s*/g, ' ')
    .slice(0, 500)
}

/**
 * The settings for a program that builds the server itself: `overrides`, and the defaults for the rest.
 * Throws ConfigError, which names the field; the rules are those of the command line.
 */
export function defaultConfig(overrides: Partial<Config> = {}): Config {
  const given: unknown = overrides
  if (!isPlain(given)) throw new ConfigError(`the settings are ${oneLine(given)} but must be an object`)
  return check(new Map(Object.entries(overrides).map(([name, value]) => [name, { name, value }])))
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Reads the command line (without node and the script) and the environment. A flag overrides its variable.
 * `isTerminal` is whether standard output is a terminal; it decides the default of `--log-format`. `readText` reads
 * the file of a secret. Throws ConfigError with one line for a wrong value, an unknown flag, variable or command.
 */
export function parseConfig(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
  readText: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): Command {
  const { values: flags, positionals } = readFlags(argv)
  if (flags.help) return { help: helpText() }
  if (flags.version) return { version: true }
  const [command, ...surplus] = positionals
  if (command !== undefined && command !== 'reindex')
    throw new ConfigError(
      `${oneLine(command)} is not a command, or not the first argument; see lading --help`,
    )
  if (surplus.length > 0)
    throw new ConfigError(`${oneLine(surplus[0])} is one argument too many; see lading --help`)

  const given: Given = new Map([['logFormat', { name: '', value: isTerminal ? 'pretty' : 'json' }]])
  for (const [field, entry] of [...fromVariables(env), ...fromFlags(flags)]) given.set(field, entry)
  for (const [field, entry] of fromFiles(env, given, readText)) given.set(field, entry)
  const config = check(given)
  return command === 'reindex' ? { reindex: config } : { run: config }
}

function readFlags(argv: readonly string[]) {
  const settings = TABLE.map(({ flag }) => [flag, { type: 'string' }] as const)
  const options = {
    ...Object.fromEntries(settings),
    help: { type: 'boolean', short: 'h' },
    version: { type: 'boolean', short: 'v' },
  } as const
  try {
    const args = withSwitchValues(argv, SWITCHES, SWITCH_WORDS)
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    // Only the first sentence: Node adds advice on further lines that does not fit our flags.
    const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split(
      /\.\s|\.?[\r\n]|\.$/,
    )
    const setting = TABLE.find(({ flag }) => sentence.includes(`'--${flag}`))
    const advice = setting ? `--${setting.flag} must be ${setting.allowed}` : 'see lading --help'
    throw new ConfigError(`${sentence}; ${advice}`, { cause: error })
  }
}

function fromFlags(flags: Readonly<Record<string, unknown>>): Given {
  const rows = TABLE.filter(({ flag }) => flags[flag] !== undefined)
  return new Map(rows.map(({ field, flag }) => [field, { name: `--${flag}`, value: flags[flag] }]))
}

function fromVariables(env: Readonly<Record<string, string | undefined>>): Given {
  const given: Given = new Map()
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('LADING_') || value === undefined || OF_UPLOAD.has(name)) continue
    const row = TABLE.find(({ variable, fileVariable }) => variable === name || fileVariable === name)
    if (!row) throw new ConfigError(`${oneLine(name)} is not the variable of a setting; see lading --help`)
    if (row.variable === name) given.set(row.field, { name, value })
  }
  return given
}

/** The secrets that files have. Throws ConfigError where a secret is given twice, or its file cannot be read. */
function fromFiles(
  env: Readonly<Record<string, string | undefined>>,
  given: Given,
  readText: (path: string) => string,
): Given {
  const files: Given = new Map()
  for (const { field, fileVariable } of TABLE) {
    const path = fileVariable === undefined ? undefined : env[fileVariable]
    if (fileVariable === undefined || path === undefined) continue
    const twice = given.get(field)
    if (twice) throw new ConfigError(`${fileVariable} and ${twice.name} are both given; only one may be`)
    try {
      files.set(field, { name: fileVariable, value: readText(path) })
    } catch (error) {
      const why = error instanceof Error ? error.message : error
      const message = `${fileVariable} names a file that cannot be read: ${oneLine(why)}`
      throw new ConfigError(message, { cause: error })
    }
  }
  return files
}

function switchExample(): string {
  const [name = ''] = SWITCHES
  return `--${name} turns it on, --no-${name} off`
}

function helpText(): string {
  const settings = TABLE.map(({ flag, variable, shown, meaning, allowed }) => {
    return `  --${flag}, ${variable} (default: ${shown})\n      ${meaning}\n      ${allowed}\n`
  })
  return `A resumable upload server that speaks tus 1.0.0.

  lading [flags]                     start the server
  lading upload FILE… --to URL       send files and folders to a tus server
  lading check [flags]               prove every finished file against its digest
  lading migrate-tusd DIR [flags]    take over the data folder of tusd
  lading reindex [flags]             rebuild the database from the files, then exit
  lading help COMMAND                explain one of these

Each flag is also an environment variable; the flag overrides it.
A switch needs no value: ${switchExample()}.

${settings.join('')}  -h, --help
      print this text
  -v, --version
      print the version
`
}

/** The README's table of settings, in Markdown; a test compares the two. */
export function settingsTable(): string {
  const rows = TABLE.map(({ flag, variable, shown, meaning, allowed }) => {
    return `| \`--${flag}\` | \`${variable}\` | ${cell(shown)} | ${cell(meaning)} | ${cell(allowed)} |\n`
  })
  return `| flag | variable | default | meaning | allowed |\n|---|---|---|---|---|\n${rows.join('')}`
}

function cell(text: string): string {
  return text.replaceAll(/[|*_]/g, '\\$&')
}
