#!/usr/bin/env -S node --max-semi-space-size=2 --heap-growing-percent=50 --max-optimized-bytecode-size=10000
import { setMaxListeners } from 'node:events'
import type { Console } from './commands/console.js'
import { commandHelp } from './commands/help.js'
import { UsageError } from './commands/usage-error.js'
import { type Config, ConfigError, parseConfig } from './config.js'
import { readVersion } from './version.js'

// Node takes these flags only when it starts: V8 fixes the size of its young generation then. `npm start` has them too.

/** A bar of progress hides it. */
const SHOW_CURSOR = '\x1b[?25h'

/** Errors that the operator can fix, so that one line says more than a stack. */
const FOR_OPERATORS = ['ConfigError', 'FolderLockError', 'UsageError']

/** Handles arguments, signals and exit codes. */
async function main(): Promise<void> {
  const argv = process.argv.slice(2)
  const help = commandHelp(argv)
  if (help !== undefined) return print(help)
  const [name, ...args] = argv
  if (name === 'help' && args.length > 1) throw new UsageError('help takes the name of one command')
  const command = commandOf(name, args)
  if (command) {
    // A command that waits for what never comes ends with its process, and has not succeeded.
    process.exitCode = 1
    process.exitCode = await command(ofProcess()).catch(asUsageError)
    return
  }
  const asked = parseConfig(name === 'help' ? ['--help'] : argv, process.env, process.stdout.isTTY === true)
  if ('help' in asked) return print(asked.help)
  if ('version' in asked) return print(`${readVersion()}\n`)
  if ('reindex' in asked) return rebuild(asked.reindex)
  await serve(asked.run)
}

/** With a command, 1 says that something was found or left: a wrong setting of it is a wrong argument. */
function asUsageError(error: unknown): never {
  throw error instanceof ConfigError ? new UsageError(error.message, { cause: error }) : error
}

/** What is loaded for one command is not loaded for the others. */
function commandOf(
  name: string | undefined,
  args: readonly string[],
): ((console: Console) => Promise<number>) | undefined {
  switch (name) {
    case 'upload':
      return async (console) => (await import('./commands/upload/upload.js')).upload(args, console)
    case 'check':
      return async (console) => (await import('./check.js')).check(args, console)
    case 'migrate-tusd':
      return async (console) => (await import('./migrate-tusd.js')).migrateTusd(args, console)
    default:
      return undefined
  }
}

function ofProcess(): Console {
  const stop = new AbortController()
  // Each of many uploads at once listens.
  setMaxListeners(0, stop.signal)
  const end = (signal: NodeJS.Signals): void => {
    // The second one does not wait, and leaves the terminal as it was.
    if (stop.signal.aborted) {
      if (process.stderr.isTTY) process.stderr.write(SHOW_CURSOR)
      process.exit(signal === 'SIGTERM' ? 143 : 130)
    }
    stop.abort(signal)
  }
  process.on('SIGINT', end).on('SIGTERM', end)
  const { stdout, stderr, env } = process
  // The reader of a pipe has seen enough, as `head` does.
  for (const stream of [stdout, stderr]) stream.on('error', () => stop.abort('SIGTERM'))
  return { stdout, stderr, stdin: () => process.stdin, env, signal: stop.signal }
}

async function serve(config: Config): Promise<void> {
  const { createApp } = await import('./app.js')
  const app = await createApp(config)
  // Ends as after a signal, because what a fault left behind in memory must not meet another request.
  const crash = (error: unknown): void => {
    process.exitCode = 1
    app.fail(error).then(() => process.exit(1), fail)
  }
  process.on('uncaughtException', crash).on('unhandledRejection', crash)
  let signals = 0
  const stop = (): void => {
    signals += 1
    if (signals > 1) process.exit(1)
    app.close().then(() => process.exit(process.exitCode ?? 0), fail)
  }
  // Before the address is printed: its reader may send a signal at once.
  process.on('SIGTERM', stop).on('SIGINT', stop)
  const address = await app.listen().catch((error: unknown) => {
    // After a signal the process ends anyway.
    if (signals === 0) throw error
  })
  if (address) print(`Lading ${readVersion()} takes uploads at ${address.url}\n`)
}

async function rebuild(config: Config): Promise<void> {
  const { reindex } = await import('./reindex.js')
  const { restored, removed } = await reindex(config)
  print(`Reindexed ${config.dataDir}: ${restored} uploads, ${removed} rows without files removed\n`)
}

function print(text: string): void {
  process.stdout.write(text)
}

function fail(error: unknown): void {
  console.error(isForOperator(error) ? `lading: ${error.message}` : error)
  process.exit(error instanceof UsageError ? 2 : 1)
}

/** A system error is a port in use, or the like. */
function isForOperator(error: unknown): error is Error {
  return error instanceof Error && (FOR_OPERATORS.includes(error.name) || 'syscall' in error)
}

main().catch(fail)
