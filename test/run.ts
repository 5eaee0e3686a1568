/**
 * The runner behind `npm test`: `node dist/test/run.js [path filters…]`.
 * Each test file is a node process of its own, with a time limit and a process group that is ended with it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

const HOME = fileURLToPath(new URL('.', import.meta.url))
const FOLDERS = ['unit', 'protocol', 'clients', 'faults']
const TIME_LIMIT_SECONDS = 240
/** No unit test file may ask for more: one that runs longer has forgotten a timer, or is no unit test. */
const UNIT_LIMIT_SECONDS = 20
/** Files of these folders run so many at a time: they put little load on the machine, and wait much. */
const UNIT_JOBS = 3
const PROTOCOL_JOBS = 2
/** How long what a test file started may take to end after it. */
const FAREWELL_MS = 2_000
/** Of a longer output only the end is kept, where uvu's summary is. */
const OUTPUT_LIMIT = 2 ** 20

interface Outcome {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly skips: readonly string[]
  /** What was wrong with the file, apart from its failed tests. */
  readonly problems: readonly string[]
}

const running = new Set<TestProcess>()

/** One test file's process, and whatever that starts. */
class TestProcess {
  readonly #child: ChildProcess
  // A name of its own, not a value: a runner within a test adds its own mark and keeps ours.
  readonly #mark = `TEST_RUN_${process.pid}_${performance.now().toString(36).replace('.', '_')}=1`
  #output = ''

  constructor(file: string) {
    const [name = ''] = this.#mark.split('=')
    const ours = Object.entries(process.env).filter(([key]) => !key.startsWith('LADING_'))
    this.#child = spawn(process.execPath, [file], {
      detached: true,
      env: { ...Object.fromEntries(ours), [name]: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const keep = (chunk: string) => {
      this.#output = (this.#output + chunk).slice(-OUTPUT_LIMIT)
    }
    this.#child.stdout?.setEncoding('utf8').on('data', keep)
    this.#child.stderr?.setEncoding('utf8').on('data', keep)
    running.add(this)
  }

  get output(): string {
    return stripVTControlCharacters(this.#output)
  }

  /** The exit code or the signal's name; undefined when the time limit came first. Ends everything. */
  async end(limitMs: number): Promise<{ exit: number | string | undefined; leftBehind: boolean }> {
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()))
    const exited = new Promise<number | string>((resolve) => {
      this.#child.once('exit', (code, signal) => resolve(code ?? signal ?? 'nothing'))
    })
    const exit = await within(limitMs, exited)
    const isOver = exit !== undefined && (await this.#empties())
    if (!isOver) this.kill()
    await within(FAREWELL_MS, closed)
    this.#child.stdout?.destroy()
    this.#child.stderr?.destroy()
    running.delete(this)
    return { exit, leftBehind: exit !== undefined && !isOver }
  }

  async #empties(): Promise<boolean> {
    const end = Date.now() + FAREWELL_MS
    while (this.#alive().length > 0) {
      if (Date.now() > end) return false
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return true
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
    const group = this.#child.pid
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

async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined)
  })
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Seconds; a file asks for another limit with `// time-limit: 600s` in its first lines. */
function timeLimit(name: string): number {
  const head = readFileSync(join(HOME, name), 'utf8').split('\n', 10).join('\n')
  const seconds = Number(/^\/\/ time-limit: (\d+)s$/m.exec(head)?.[1] ?? TIME_LIMIT_SECONDS)
  return isUnit(name) ? Math.min(seconds, UNIT_LIMIT_SECONDS) : seconds
}

function isUnit(name: string): boolean {
  return name.startsWith('unit/')
}

/** What uvu's summary at the end of the output says, and what it does not say. */
function judge(output: string, exit: number | string | undefined, limitSeconds: number): Outcome {
  const summaries = [...output.matchAll(/^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm)]
  const [total = 0, passed = 0, skipped = 0] = summaries.at(-1)?.slice(1).map(Number) ?? []
  const skips = [...output.matchAll(/(?:^|[•✘] )SKIP: (.+)$/gm)].map(([, reason = '']) => reason)
  const problems: string[] = []
  if (exit === undefined) problems.push(`did not end within ${limitSeconds} s`)
  else if (summaries.length === 0)
    problems.push(`ended with ${exit} and without a summary; does it call .run()?`)
  else if (total + skipped === 0) problems.push('has no test')
  else if (exit === 0 && passed < total) problems.push('has tests that never ran: a before hook threw')
  else if (exit !== 0 && passed === total) problems.push(`ended with ${exit} though its tests passed`)
  if (skipped > skips.length) problems.push(`has ${skipped - skips.length} skipped without a SKIP: line`)
  return { passed, failed: total - passed, skipped, skips, problems }
}

async function runFile(name: string): Promise<Outcome> {
  const started = performance.now()
  const limitSeconds = timeLimit(name)
  const testProcess = new TestProcess(join(HOME, name))
  const { exit, leftBehind } = await testProcess.end(limitSeconds * 1_000)
  const judged = judge(testProcess.output, exit, limitSeconds)
  const problems = [...judged.problems, ...(leftBehind ? ['left a process behind, which was ended'] : [])]
  const failed = Math.max(judged.failed, problems.length > 0 ? 1 : 0)

  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  const counts = `${judged.passed} passed, ${failed} failed, ${judged.skipped} skipped`
  console.log(`${failed > 0 ? 'FAIL' : 'ok  '} ${name}: ${counts} (${seconds} s)`)
  for (const reason of judged.skips) console.log(`     skipped: ${reason}`)
  if (failed > 0) console.log(testProcess.output.replaceAll(/^(?=.)/gm, '     | '))
  for (const problem of problems) console.log(`     ${name} ${problem}`)
  return { ...judged, failed, problems }
}

function testFiles(filters: readonly string[]): string[] {
  return FOLDERS.flatMap((folder) => {
    return readdirSync(HOME, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.startsWith(`${folder}/`) && name.endsWith('.test.js'))
      .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
      .sort()
  })
}

/** Runs files in their order, so many at a time. */
async function runFiles(names: readonly string[], jobs: number): Promise<Outcome[]> {
  const waiting = [...names]
  const outcomes: Outcome[] = []
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
      outcomes.push(await runFile(name))
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return outcomes
}

async function main(): Promise<void> {
  // Whichever way this process ends, nothing of its tests outlives it.
  process.on('exit', () => {
    for (const testProcess of running) testProcess.kill()
  })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(130))

  const files = testFiles(process.argv.slice(2))
  const jobs = Math.max(1, Number(process.env.LADING_TEST_JOBS ?? 1) || 1)
  const run = (folder: string, least: number): Promise<Outcome[]> => {
    return runFiles(
      files.filter((name) => name.startsWith(`${folder}/`)),
      Math.max(jobs, least),
    )
  }
  const outcomes = [
    ...(await run('unit', UNIT_JOBS)),
    ...(await run('protocol', PROTOCOL_JOBS)),
    ...(await run('clients', 1)),
    ...(await run('faults', 1)),
  ]

  const sum = (key: 'passed' | 'failed' | 'skipped') => outcomes.reduce((total, each) => total + each[key], 0)
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}

await main()
