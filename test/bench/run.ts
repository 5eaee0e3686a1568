import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { measureAttacks } from './attacks.js'
import { type Case, cases } from './cases.js'
import {
  type Contender,
  type LeftOut,
  lading,
  ladingInUse,
  nginx,
  nginxWithDigest,
  stock,
} from './contenders.js'
import { nameOf } from './figures.js'
import { machineOf } from './machine.js'
import type { RunOptions } from './options.js'
import { peer } from './peer.js'
import type { Result, Sample, Series } from './result.js'
import { defaultFolder, freeBytes, Workspace } from './workspace.js'

const ROOM_BYTES = 4 * 2 ** 30
/** What records, sidecars and the warm-up take beside the files. */
const ROOM_FACTOR = 1.1
const BUILD_CASES = [
  'one',
  'eight',
  'resume',
  'patches',
  'many',
  'small',
  'checked',
  'joining',
  'downloads',
] as const
const OWN_CASES = [...BUILD_CASES, 'memory'] as const

/** Measures what the options ask for. */
export async function run(options: RunOptions): Promise<Result> {
  const startedAt = new Date().toISOString()
  const { contenders, leftOut } = await contendersFor(options)
  const wanted = cases(options.divisor).filter(({ name }) => options.cases.includes(name))
  const workspaces = {
    memory: workspaceIn(options.folder ?? defaultFolder(ROOM_BYTES)),
    disk: workspaceIn(options.folder ?? tmpdir()),
  }
  const used = new Set<string>()
  const measured: Case[] = []
  const series: Series[] = []
  for (const each of wanted) {
    const workspace = each.isOnDisk ? workspaces.disk : workspaces.memory
    const need = each.room * ROOM_FACTOR
    if (freeBytes(workspace.folder) < need) {
      leftOut.push(`${each.name}: ${workspace.parent} has no room for ${Math.ceil(need / 1e9)} GB`)
      continue
    }
    used.add(workspace.parent)
    measured.push(each)
    series.push(...(await runCase(each, contenders, workspace, options.rounds, leftOut)))
  }
  const attacks = options.cases.includes('attacks')
    ? await measureAttacks(workspaces.memory, options.divisor)
    : []
  return {
    startedAt,
    rounds: options.rounds,
    divisor: options.divisor,
    machine: machineOf([...used]),
    contenders: contenders.map(({ name, about }) => ({ name, about })),
    leftOut,
    cases: measured.map(({ name, title, rateUnit, cpuUnit }) => ({ name, title, rateUnit, cpuUnit })),
    series,
    attacks,
  }
}

/** The servers in the order of the ratios: first what people do today for the same result. */
async function contendersFor({
  builds,
  peers,
}: RunOptions): Promise<{ contenders: Contender[]; leftOut: string[] }> {
  const web = nginx()
  const all: (Contender | LeftOut)[] = [
    lading({ name: 'lading', cases: OWN_CASES }),
    lading({ name: 'lading, off', cases: ['small'], durability: 'off' }),
    ladingInUse('lading, in use', ['one', 'eight', 'patches', 'small', 'memory']),
    stock('digest'),
    nginxWithDigest(web),
    stock('no digest'),
    web,
    ...builds.map(({ name, root }) => lading({ name, root, cases: BUILD_CASES })),
    ...(await Promise.all(peers.map(peer))),
  ]
  return {
    contenders: all.filter((each): each is Contender => !('leftOut' in each)),
    leftOut: all.flatMap((each) => ('leftOut' in each ? [each.leftOut] : [])),
  }
}

/**
 * Measures all in each round, one after the other; who begins changes from round to round. A server that fails
 * is left out of the case, so that nothing else of a long run is lost.
 */
async function runCase(
  of: Case,
  contenders: readonly Contender[],
  workspace: Workspace,
  wantedRounds: number,
  leftOut: string[],
): Promise<readonly Series[]> {
  let entries = contenders
    .filter((contender) => contender.cases.includes(of.name))
    .flatMap((contender) => of.variants.map((variant) => ({ contender, variant, samples: [] as Sample[] })))
  const rounds = of.rounds ?? wantedRounds
  for (let round = 0; round < rounds; round++) {
    const first = round % entries.length
    for (const entry of [...entries.slice(first), ...entries.slice(0, first)]) {
      const name = nameOf({ contender: entry.contender.name, variant: entry.variant })
      try {
        const sample = await of.measure(entry.contender, workspace, entry.variant)
        entry.samples.push(sample)
        console.error(`${of.name} ${round + 1}/${rounds} ${name}: ${sample.rate.toFixed(0)} ${of.rateUnit}`)
      } catch (error) {
        const [reason = ''] = String(error instanceof Error ? error.message : error).split('\n')
        console.error(`${of.name} ${round + 1}/${rounds} ${name}: ${reason}`)
        process.exitCode = 1
        leftOut.push(`${name} in ${of.name}: ${reason}`)
        entries = entries.filter((each) => each !== entry)
      }
    }
  }
  return entries.map(({ contender, variant, samples }) => {
    return { case: of.name, contender: contender.name, variant, samples }
  })
}

function workspaceIn(folder: string): Workspace {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`--folder is ${folder} but there is no such folder`)
  return new Workspace(folder)
}
