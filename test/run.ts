/**
 * The runner behind `npm test`: `node dist/test/run.js [path filters…]`.
 * A test file is a node process of its own, with a time limit and a process group that is ended with it. Unit test files
 * share a few processes, with the same rules for each of them.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judge, type Outcome, report } from './runner/outcome.js'
import { SharedProcess } from './runner/shared-process.js'
import { type Ending, FAREWELL_MS, killAll, TestProcess } from './runner/test-process.js'

const HOME = fileURLToPath(new URL('.', import.meta.url))
const FOLDERS = ['unit', 'protocol', 'clients', 'faults']
/** So many files run at a time: these put little load on the machine. */
const UNIT_JOBS = 3
const PROTOCOL_JOBS = 2
const WAITING_JOBS = 2
const TIME_LIMIT_SECONDS = 240
/** No unit test file may ask for more: one that runs longer has forgotten a timer, or is no unit test. */
const UNIT_LIMIT_SECONDS = 20

/** The first lines of a file, where its marks stand. */
function headOf(name: string): string {
  return readFileSync(join(HOME, name), 'utf8').split('\n', 10).join('\n')
}

/** Whether a file has the mark `// waits`: it needs little of the machine, and asserts nothing about its speed. */
function waits(name: string): boolean {
  return /^\/\/ waits$/m.test(headOf(name))
}

/** Whether a file has the mark `// cluster`: it starts Ceph and nodes. Three of these at a time would be too much load. */
function isCluster(name: string): boolean {
  return /^\/\/ cluster$/m.test(headOf(name))
}

/** Seconds; a file asks for another limit with `// time-limit: 600s` in its first lines. */
function timeLimit(name: string): number {
  const seconds = Number(/^\/\/ time-limit: (\d+)s$/m.exec(headOf(name))?.[1] ?? TIME_LIMIT_SECONDS)
  return name.startsWith('unit/') ? Math.min(seconds, UNIT_LIMIT_SECONDS) : seconds
}

/** `run` starts the file at a path, with its limit in milliseconds. */
async function runFile(
  name: string,
  run: (path: string, limitMs: number) => Promise<Ending>,
): Promise<Outcome> {
  const started = performance.now()
  const limitSeconds = timeLimit(name)
  const ending = await run(join(HOME, name), limitSeconds * 1_000)
  const outcome = judge(ending, limitSeconds)
  report(name, outcome, ending.output, (performance.now() - started) / 1_000)
  return outcome
}

async function runAlone(name: string): Promise<Outcome> {
  return await runFile(name, async (path, limitMs) => await new TestProcess(path).end(limitMs))
}

/** Runs files one after the other in one process. One that failed is the last of its process. */
async function runShared(waiting: string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  let last = ''
  let shared: SharedProcess | undefined
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const current: SharedProcess = shared ?? new SharedProcess()
    shared = current
    const outcome = await runFile(name, async (path, limitMs) => await current.run(path, limitMs))
    outcomes.push(outcome)
    last = name
    if (outcome.failed === 0) continue
    await current.end(0)
    shared = undefined
  }
  shared?.release()
  const ending = await shared?.end(FAREWELL_MS)
  if (ending !== undefined && (ending.exit !== 0 || ending.problems.length > 0)) {
    const problems = [`was the last of a process that ended with ${ending.exit}`, ...ending.problems]
    const outcome = { passed: 0, failed: 1, skipped: 0, skips: [], problems }
    report(last, outcome, ending.output, 0)
    outcomes.push(outcome)
  }
  return outcomes
}

/** Test files in their order. What an earlier build made of a source that is gone is no test. */
function testFiles(filters: readonly string[]): string[] {
  const sources = join(HOME, '../../test')
  return readdirSync(HOME, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js') && FOLDERS.some((folder) => name.startsWith(`${folder}/`)))
    .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
    .filter((name) => !existsSync(sources) || existsSync(join(sources, name.replace(/js$/, 'ts'))))
    .sort()
}

/** Takes files from `waiting` so many at a time. */
async function inParallel(
  jobs: number,
  waiting: string[],
  run: (waiting: string[]) => Promise<Outcome[]>,
): Promise<Outcome[]> {
  return (await Promise.all(Array.from({ length: jobs }, async () => await run(waiting)))).flat()
}

async function runEachAlone(waiting: string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
    outcomes.push(await runAlone(name))
  return outcomes
}

/**
 * Files that wait run `jobs` at a time, with one of the cluster beside them, which waits for most of its time too. Once none
 * is left that waits, two of the cluster run at a time.
 */
async function runWaiting(
  jobs: number,
  waiting: readonly string[],
  cluster: readonly string[],
): Promise<Outcome[]> {
  if (jobs === 1) return await runEachAlone([...waiting, ...cluster])
  const [left, ofCluster] = [[...waiting], [...cluster]]
  const first = async () => [...(await runEachAlone(left)), ...(await runEachAlone(ofCluster))]
  const others = inParallel(jobs - 1, left, runEachAlone)
  return (await Promise.all([first(), others, runEachAlone(ofCluster)])).flat()
}

async function main(): Promise<void> {
  // Whichever way this process ends, nothing of its tests outlives it.
  process.on('exit', killAll)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(130))

  const files = testFiles(process.argv.slice(2))
  const asked = Number(process.env.LADING_TEST_JOBS)
  const jobs = (count: number): number => (asked > 0 ? asked : count)
  const under = (folder: string): string[] => files.filter((name) => name.startsWith(`${folder}/`))
  const others = [...under('clients'), ...under('faults')]
  const outcomes = [
    ...(await inParallel(jobs(UNIT_JOBS), under('unit'), runShared)),
    ...(await inParallel(jobs(PROTOCOL_JOBS), under('protocol'), runEachAlone)),
    ...(await runWaiting(jobs(WAITING_JOBS), others.filter(waits), others.filter(isCluster))),
    ...(await inParallel(
      jobs(1),
      others.filter((name) => !waits(name) && !isCluster(name)),
      runEachAlone,
    )),
  ]

  const sum = (key: 'passed' | 'failed' | 'skipped') => outcomes.reduce((total, each) => total + each[key], 0)
  const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
  console.log(`\nafter ${(performance.now() / 60_000).toFixed(1)} min:`)
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0
}

await main()
