/** `npm run bench`: Lading and its peers, in turn, on one machine, with the same files and client. */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { attackLines, measureAttacks } from './attacks.js'
import { type Case, cases } from './cases.js'
import { type CaseName, type Contender, lading, nginx, peer, stock } from './contenders.js'
import { fileSystemOf, machineLines } from './machine.js'
import type { Sample } from './measure.js'
import { judgeMemory, type MemoryRun, measureMemory } from './memory.js'
import { HELP, type Options, parseOptions } from './options.js'
import { ratioLines, type Series, tableLines } from './report.js'
import { defaultFolder, Workspace } from './workspace.js'

const ENOUGH_ROUNDS = 5
const ROOM_BYTES = 4 * 2 ** 30

type Memory = { readonly folder: string; readonly runs: readonly MemoryRun[] | { skipped: string } }

async function main(options: Options): Promise<void> {
  const skipped: string[] = []
  const contenders = contendersFor(options, skipped)
  const folder = options.folder ?? defaultFolder(ROOM_BYTES)
  const series: Series[] = []
  const wanted = cases(options.divisor).filter(({ name }) => options.cases.includes(name))
  const workspace = new Workspace(folder)
  for (const each of wanted) series.push(...(await runCase(each, contenders, workspace, options.rounds)))
  const memory = options.cases.includes('memory') ? await runMemory(options) : undefined
  const attacks = options.cases.includes('attacks') ? await measureAttacks(workspace, options.divisor) : []

  const lines = [
    ...heading(options),
    ...(series.length > 0 ? ['Ratios of medians', ...ratioLines(series), ''] : []),
    ...(memory ? ['Memory of Lading', ...memoryLines(memory), ''] : []),
    ...(attacks.length > 0 ? ['Lading under attack', ...attackLines(attacks), ''] : []),
    ...tableLines(series),
    ...machineLines(series.length > 0 ? folder : (memory?.folder ?? folder)),
    ...contenders.map(({ name, about }) => `${name.padEnd(11)} ${about}`),
    ...skipped.map((reason) => `skipped     ${reason}`),
    'Before each measurement as much memory as it needs was written and freed, so that nobody pays for',
    'the first touch of a page; and the server got one file of 64 MiB and 200 of 4 KiB (but not in resume).',
  ]
  console.log(lines.join('\n'))
  if (options.json !== undefined) await writeJson(options.json, { series, memory, attacks, lines })
}

function contendersFor(options: Options, skipped: string[]): Contender[] {
  const web = nginx()
  if ('skipped' in web) skipped.push(`nginx: ${web.skipped}`)
  const all: CaseName[] = ['one', 'eight', 'resume', 'small', 'checked', 'joining', 'memory']
  return [
    lading('lading', 'finish', all),
    lading('lading, off', 'off', ['small']),
    { ...lading('lading, sha1', 'finish', ['checked']), checksum: 'sha1' },
    { ...lading('lading, sha256', 'finish', ['checked']), checksum: 'sha256' },
    { ...lading('lading, joining', 'finish', ['joining']), joins: true },
    stock(),
    ...('skipped' in web ? [] : [web]),
    ...options.peers.map(({ name, url }) => peer(name, url)),
  ]
}

/** Rounds in turn; who begins changes from round to round. */
async function runCase(
  of: Case,
  contenders: readonly Contender[],
  workspace: Workspace,
  rounds: number,
): Promise<Series[]> {
  const entered = contenders.filter((contender) => contender.cases.includes(of.name))
  const samples = new Map<string, Sample[]>(entered.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const first = round % entered.length
    for (const contender of [...entered.slice(first), ...entered.slice(0, first)]) {
      const sample = await of.measure(contender, workspace)
      samples.get(contender.name)?.push(sample)
      const rate = `${sample.rate.toFixed(0)} ${of.rateUnit}`
      console.error(`${of.name} ${round + 1}/${rounds} ${contender.name}: ${rate}`)
    }
  }
  return entered.map(({ name }) => ({ of, contender: name, samples: samples.get(name) ?? [] }))
}

async function runMemory(options: Options): Promise<Memory> {
  const folder = options.folder ?? tmpdir()
  const runs = await measureMemory(lading('lading', 'finish', []), new Workspace(folder), options.divisor)
  return { folder, runs }
}

function memoryLines({ folder, runs }: Memory): readonly string[] {
  if ('skipped' in runs) return [`skipped: ${runs.skipped}`]
  return [...judgeMemory(runs), `on ${fileSystemOf(folder)}`]
}

function heading({ rounds, divisor }: Options): readonly string[] {
  const notes = [
    ...(rounds < ENOUGH_ROUNDS ? [`only ${rounds} rounds, where ${ENOUGH_ROUNDS} are a result`] : []),
    ...(divisor > 1 ? [`sizes are divided by ${divisor}`] : []),
  ]
  return [`Lading benchmark, ${rounds} rounds${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`, '']
}

async function writeJson(path: string, result: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(result, null, 1)}\n`)
}

// What was started and written goes with the process; see children.ts and workspace.ts.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(130))
try {
  const options = parseOptions(process.argv.slice(2))
  if (options) await main(options)
  else console.log(HELP)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
