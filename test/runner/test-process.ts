import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'

/** How long what a test file started may take to end after it. */
export const FAREWELL_MS = 2_000
/** Of a longer output only the end is kept, where uvu's summary is. */
const OUTPUT_LIMIT = 2 ** 20

/** How a test file ended. */
export interface Ending {
  /** The exit code or the signal's name; undefined when the time limit came first. */
  readonly exit: number | string | undefined
  readonly output: string
  /** What was wrong with the file, apart from its tests. */
  readonly problems: readonly string[]
}

const running = new Set<TestProcess>()

/** Ends every process that tests started and that is still there. Does not return before that (or a second each). */
export function killAll(): void {
  for (const testProcess of running) testProcess.kill()
}

/** A process that runs test files, and whatever those start. */
export class TestProcess {
  protected readonly child: ChildProcess
  /** The exit code or the signal's name, once there is one. */
  protected readonly exited: Promise<number | string>
  readonly #closed: Promise<void>
  // A name of its own, not a value: a runner within a test adds its own mark and keeps ours.
  readonly #mark = `TEST_RUN_${process.pid}_${performance.now().toString(36).replace('.', '_')}=1`
  #output = ''

  constructor(script: string, channel: readonly 'ipc'[] = []) {
    const [name = ''] = this.#mark.split('=')
    const ours = Object.entries(process.env).filter(([key]) => !key.startsWith('LADING_'))
    this.child = spawn(process.execPath, [script], {
      detached: true,
      env: { ...Object.fromEntries(ours), [name]: '1' },
      stdio: ['ignore', 'pipe', 'pipe', ...channel],
    })
    const keep = (chunk: string) => {
      this.#output = (this.#output + chunk).slice(-OUTPUT_LIMIT)
    }
    this.child.stdout?.setEncoding('utf8').on('data', keep)
    this.child.stderr?.setEncoding('utf8').on('data', keep)
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, name) => resolve(code ?? name ?? 'nothing'))
    })
    this.#closed = new Promise((resolve) => this.child.once('close', () => resolve()))
    running.add(this)
  }

  protected get output(): string {
    return this.#output
  }

  /** Waits until the process is over, `limitMs` at most, and ends all that is left then. */
  async end(limitMs: number): Promise<Ending> {
    const exit = await within(limitMs, this.exited)
    const problems = exit === undefined ? [] : await this.leftBehind()
    this.kill()
    await within(FAREWELL_MS, this.#closed)
    this.child.stdout?.destroy()
    this.child.stderr?.destroy()
    running.delete(this)
    return { exit, output: plain(this.#output), problems }
  }

  /** Forgets the output up to now. */
  protected clear(): void {
    this.#output = ''
  }

  /** A problem for the file when what it started is still there after a while. This process may be `expected`. */
  protected async leftBehind(expected?: number): Promise<string[]> {
    const end = Date.now() + FAREWELL_MS
    // Elsewhere the group's members are not known: what is left is seen when the process ends.
    if (expected !== undefined && process.platform !== 'linux') return []
    while (this.#alive().some((pid) => pid !== expected)) {
      if (Date.now() > end) return ['left a process behind, which was ended']
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return []
  }

  /** Does not return before all is ended (or a second is over): it is also the last act at exit. */
  kill(): void {
    for (let round = 0; round < 100; round++) {
      const alive = this.#alive()
      if (alive.length === 0) return
      for (const pid of alive) signal(pid, 'SIGKILL')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }

  /** What lives of the group, and where the system shows environments, of those that left the group too. */
  #alive(): number[] {
    const group = this.child.pid
    if (group === undefined) return []
    if (process.platform !== 'linux') return signal(-group, 0) ? [-group] : []
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        const stat = contents(`/proc/${pid}/stat`)
        const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        if (state === undefined || state === '' || state === 'Z' || state === 'X') return false
        return Number(processGroup) === group || contents(`/proc/${pid}/environ`).includes(this.#mark)
      })
  }
}

/** An output without the colours. */
export function plain(output: string): string {
  return stripVTControlCharacters(output)
}

/** What `promise` gives, or undefined when it takes longer than `ms` milliseconds. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined)
  })
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function contents(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
