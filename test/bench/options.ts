import { parseArgs } from 'node:util'
import type { CaseName } from './contenders.js'

const STANDARD_CASES: readonly CaseName[] = [
  'one',
  'eight',
  'resume',
  'small',
  'checked',
  'joining',
  'memory',
]
/** Attacks compare nothing, so they run only where they are asked for. */
const CASES: readonly CaseName[] = [...STANDARD_CASES, 'attacks']
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]']
const QUICK_DIVISOR = 8

export interface Options {
  readonly rounds: number
  readonly cases: readonly CaseName[]
  /** Where data goes; undefined for the default of each case. */
  readonly folder: string | undefined
  readonly peers: readonly { readonly name: string; readonly url: string }[]
  /** By what sizes and counts are divided. */
  readonly divisor: number
  /** Where the result goes as JSON. */
  readonly json: string | undefined
}

export const HELP = `npm run bench -- [--rounds 5] [--cases ${STANDARD_CASES.join(',')}] [--folder DIR]
  [--peer name=URL]… [--quick] [--json FILE]

  --rounds  measurements of each server in each case, interleaved
  --cases   also attacks: what another user and memory see of Lading while it is attacked
  --folder  where data goes; by default a tmpfs where it has room, and a disk for the memory case
  --peer    another tus server on this machine, by its creation URL
  --quick   an eighth of the sizes: to try the benchmark, not to quote it
`

/** Reads the command line; undefined when help is asked for. Throws an Error with one line for a wrong flag. */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '5' },
      cases: { type: 'string', default: STANDARD_CASES.join(',') },
      folder: { type: 'string' },
      peer: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new Error(`--rounds is ${values.rounds} but must be a whole number from 1 to 100`)
  return {
    rounds,
    cases: values.cases.split(',').map(caseName),
    folder: values.folder,
    peers: values.peer.map(namedUrl),
    divisor: values.quick ? QUICK_DIVISOR : 1,
    json: values.json,
  }
}

function caseName(text: string): CaseName {
  const found = CASES.find((name) => name === text)
  if (!found) throw new Error(`--cases has ${text} but knows only ${CASES.join(', ')}`)
  return found
}

function namedUrl(text: string): { name: string; url: string } {
  const [, name, url] = /^([\w.-]+)=(http:\/\/\S+)$/.exec(text) ?? []
  if (name === undefined || url === undefined || !URL.canParse(url))
    throw new Error(`--peer is ${text} but must be name=http://127.0.0.1:port/path`)
  if (!LOOPBACK.includes(new URL(url).hostname))
    throw new Error(`--peer is ${text} but must be on this machine: the load is not for other people's`)
  return { name, url }
}
