import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { basename } from 'node:path'

const running = new Set<ChildProcess>()

// Each child leads a process group of its own. The groups are ended when the benchmark ends, however it ends.
process.on('exit', () => {
  for (const child of running) end(child)
})

/** A process that the benchmark started. */
export interface Child {
  readonly pid: number
  /** Resolves with the first match in its standard output. Rejects if it ends first, or is too late. */
  says(pattern: RegExp, withinMs: number): Promise<string>
  /** Resolves with its whole standard output. Rejects if it fails, or does not end in time. */
  output(withinMs: number): Promise<string>
  /** Ends it with SIGKILL, and its children. */
  kill(): Promise<void>
}

/** Starts a process, without the LADING_ settings of the environment. */
export function start(command: string, args: readonly string[]): Child {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('LADING_')))
  const name = basename(args.find((each) => each.endsWith('.js')) ?? command)
  const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let out = ''
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-4_000)
  })
  const closed = once(child, 'close')
  const failed = (): Error => new Error(`${name} ended with ${child.exitCode}: ${log.trim()}`)
  return {
    pid: child.pid ?? 0,
    says: async (pattern, withinMs) => {
      const until = Date.now() + withinMs
      for (;;) {
        const [found] = pattern.exec(out) ?? []
        if (found !== undefined) return found
        if (child.exitCode !== null || Date.now() > until) throw failed()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    output: async (withinMs) => {
      const timer = setTimeout(() => end(child), withinMs)
      await closed.finally(() => clearTimeout(timer))
      running.delete(child)
      if (child.exitCode !== 0) throw failed()
      return out
    },
    kill: async () => {
      end(child)
      await closed
      running.delete(child)
    },
  }
}

function end(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
