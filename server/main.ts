#!/usr/bin/env -S node --max-semi-space-size=2 --heap-growing-percent=50 --max-optimized-bytecode-size=10000
import { createApp, FolderLockError, reindex } from './app.js'
import { type Config, ConfigError, parseConfig } from './config.js'
import { readVersion } from './version.js'

// Node takes these flags only when it starts: V8 fixes the size of its young generation then. `npm start` has them too.

/** Handles arguments, signals and exit codes. */
async function main(): Promise<void> {
  const command = parseConfig(process.argv.slice(2), process.env, process.stdout.isTTY === true)
  if ('help' in command) return console.log(command.help)
  if ('version' in command) return console.log(readVersion())
  if ('reindex' in command) return rebuild(command.reindex)
  await serve(command.run)
}

async function serve(config: Config): Promise<void> {
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
  if (address) console.log(`Lading ${readVersion()} takes uploads at ${address.url}`)
}

async function rebuild(config: Config): Promise<void> {
  const { restored, removed } = await reindex(config)
  console.log(`Reindexed ${config.dataDir}: ${restored} uploads, ${removed} rows without files removed`)
}

function fail(error: unknown): void {
  console.error(isForOperator(error) ? `lading: ${error.message}` : error)
  process.exit(1)
}

/** Whether the operator can fix it, so that one line says more than a stack: a system error is a port in use, or the like. */
function isForOperator(error: unknown): error is Error {
  if (error instanceof ConfigError || error instanceof FolderLockError) return true
  return error instanceof Error && 'syscall' in error
}

main().catch(fail)
