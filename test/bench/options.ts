import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CaseName } from './result.js'
import { TODAY } from './targets.js'

const STANDARD_CASES: readonly CaseName[] = [
  'one',
  'eight',
  'resume',
  'patches',
  'many',
  'small',
  'checked',
  'joining',
  'downloads',
  'memory',
]
/** Attacks compare nothing, so they run only where they are asked for. */
const CASES = [...STANDARD_CASES, 'attacks'] as const
const TAKEN_NAMES = ['lading', 'stock', 'nginx']
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']
const QUICK_DIVISOR = 8

/** Another build of Lading: a repository with its dist folder. */
export interface Build {
  readonly name: string
  readonly root: string
}

export interface Peer {
  readonly name: string
  readonly url: string
  readonly pid: number | undefined
}

/** What a run needs to know. */
export interface RunOptions {
  readonly rounds: number
  readonly cases: readonly (typeof CASES)[number][]
  /** Where data goes; undefined for the default of each case. */
  readonly folder: string | undefined
  readonly builds: readonly Build[]
  readonly peers: readonly Peer[]
  /** By what sizes and counts are divided. */
  readonly divisor: number
}

export interface Options extends RunOptions {
  /** Where the result goes as JSON. */
  readonly json: string | undefined
  /** Whether the result goes into test/bench/README.md. */
  readonly readme: boolean
  /** A result that --json wrote, which is printed again instead of a run. */
  readonly from: string | undefined
}

export const HELP = `npm run bench -- [--rounds 5] [--cases ${STANDARD_CASES.join(',')}]
  [--folder DIR] [--build name=DIR]… [--peer name=URL [--peer-pid name=PID]]…
  [--quick] [--json FILE] [--readme]
npm run bench -- --from FILE [--readme]

  --rounds    measurements of each server in each case, interleaved; of memory always one
  --cases     also attacks: what another user and memory see of Lading while it is attacked
  --folder    where data goes; by default a tmpfs where it has room, and a disk for the memory case
  --build     another build of Lading, by its repository; the name ${TODAY} is for the build that the
              targets compare with
  --peer      another tus server that runs on this machine, by its creation URL
  --peer-pid  its process, so that processor time and memory are measured, with those of its children
  --quick     an eighth of the sizes: to try the benchmark, not to quote it
  --json      writes the result: machine, versions, every sample, medians, ratios
  --readme    writes the tables into test/bench/README.md
  --from      prints a result of --json again, without a run
`

/** Reads the command line; undefined when help is asked for. Throws an Error with one line for a wrong flag. */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const values = valuesIn(argv)
  if (values.help) return undefined
  const { from, rounds: wanted = '5', cases = STANDARD_CASES.join(','), readme = false } = values
  const runs = ['rounds', 'cases', 'folder', 'build', 'peer', 'peer-pid', 'quick', 'json'] as const
  const useless = runs.find((name) => values[name] !== undefined)
  if (from !== undefined && useless)
    throw new Error(`--from prints an old result: --${useless} has no use there`)
  const rounds = Number(wanted)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new Error(`--rounds is ${wanted} but must be a whole number from 1 to 100`)
  const builds = (values.build ?? []).map(namedBuild)
  const peers = peersOf(values.peer ?? [], values['peer-pid'] ?? [])
  const names = [...TAKEN_NAMES, ...[...builds, ...peers].map(({ name }) => name)]
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined)
    throw new Error(`Two servers have the name ${twice}: --build and --peer need others`)
  return {
    rounds,
    cases: cases.split(',').map(caseName),
    folder: values.folder,
    builds,
    peers,
    divisor: values.quick ? QUICK_DIVISOR : 1,
    json: values.json,
    readme,
    from,
  }
}

function valuesIn(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        rounds: { type: 'string' },
        cases: { type: 'string' },
        folder: { type: 'string' },
        build: { type: 'string', multiple: true },
        peer: { type: 'string', multiple: true },
        'peer-pid': { type: 'string', multiple: true },
        quick: { type: 'boolean' },
        json: { type: 'string' },
        readme: { type: 'boolean' },
        from: { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    // Node's message goes on with advice that is of no use here.
    const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split(/\.\s|\n/)
    throw new Error(`${sentence}; --help lists the options`, { cause: error })
  }
}

function caseName(text: string): (typeof CASES)[number] {
  const found = CASES.find((name) => name === text)
  if (!found) throw new Error(`--cases has ${text} but knows only ${CASES.join(', ')}`)
  return found
}

function peersOf(urls: readonly string[], pids: readonly string[]): readonly Peer[] {
  const processes = pids.map(namedPid)
  const peers = urls.map(namedUrl).map(({ name, url }) => {
    return { name, url, pid: processes.find((each) => each.name === name)?.pid }
  })
  const stranger = processes.find((each) => !peers.some(({ name }) => name === each.name))
  if (stranger) throw new Error(`--peer-pid has the name ${stranger.name} but no --peer has it`)
  return peers
}

function namedBuild(text: string): Build {
  const [, name, root] = /^([\w.-]+)=(.+)$/.exec(text) ?? []
  if (name === undefined || root === undefined)
    throw new Error(`--build is ${text} but must be name=DIR, with the repository of a build`)
  if (!existsSync(join(root, 'dist/server/main.js')))
    throw new Error(`--build is ${text} but there is no dist/server/main.js in that folder`)
  return { name, root }
}

function namedPid(text: string): { name: string; pid: number } {
  const [, name, pid] = /^([\w.-]+)=([1-9]\d*)$/.exec(text) ?? []
  if (name === undefined || pid === undefined)
    throw new Error(`--peer-pid is ${text} but must be name=PID, with the name of a --peer`)
  return { name, pid: Number(pid) }
}

function namedUrl(text: string): { name: string; url: string } {
  const [, name, url] = /^([\w.-]+)=(http:\/\/\S+)$/.exec(text) ?? []
  if (name === undefined || url === undefined || !URL.canParse(url))
    throw new Error(`--peer is ${text} but must be name=http://127.0.0.1:port/path`)
  if (!LOOPBACK.includes(new URL(url).hostname))
    throw new Error(`--peer is ${text} but must be on this machine: the load is not for other people's`)
  return { name, url: url.replace(/\/$/, '') }
}
