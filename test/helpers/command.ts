import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { bounded } from './test.js'

// Each folder of a test removes itself when the process ends.
process.setMaxListeners(100)

const MAIN = new URL('../../server/main.js', import.meta.url).pathname
const ENDS_WITHIN_MS = 60_000

/** A command of `lading` in a process of its own. */
export interface Command {
  readonly process: ChildProcess
  stdout(): string
  stderr(): string
  /** The exit code; null where a signal ended it. Rejects after a minute. */
  ended(): Promise<number | null>
}

/** Starts a command; it is killed with the test process. */
export function startCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
  stdin: 'ignore' | 'pipe' = 'ignore',
): Command {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: [stdin, 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
  const closed = once(child, 'close').then(([code]) => {
    process.off('exit', kill)
    return typeof code === 'number' ? code : null
  })
  return {
    process: child,
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    ended: () => bounded(ENDS_WITHIN_MS, closed, `the end of lading ${args[0]}; it wrote ${texts.stderr}`),
  }
}

/** Runs a command to its end. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const command = startCommand(args, env, cwd)
  const code = await command.ended()
  return { code, stdout: command.stdout(), stderr: command.stderr() }
}
