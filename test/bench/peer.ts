import type { Contender } from './contenders.js'
import type { Peer } from './options.js'
import type { CaseName } from './result.js'
import { usageOf } from './usage.js'

const ANSWER_WITHIN_MS = 10_000
const ALGORITHMS = ['sha1', 'sha256']

/**
 * Another tus server that runs already. It takes part in each case that its answer to OPTIONS allows. Not in
 * `resume` and `memory`: those need a server that the benchmark starts. Throws an Error with one line if it,
 * or its process, is not there.
 */
export async function peer({ name, url, pid }: Peer): Promise<Contender> {
  const headers = await optionsOf(name, url)
  if (pid !== undefined && usageOf(pid) === undefined)
    throw new Error(`--peer-pid is ${name}=${pid} but there is no such process, or no /proc`)
  const seen = pid === undefined ? 'its processor time and memory are not seen' : `process ${pid}`
  const endpoint = {
    url,
    method: 'tus',
    answersDigest: false,
    digestFolder: null,
    headers: [],
    remove: true,
  } as const
  return {
    name,
    about: `${url}, ${seen}; it runs all the time, with its own data folder`,
    cases: casesOf(headers),
    start: async () => ({ endpoint, pid, isFresh: false, kill: async () => {} }),
  }
}

async function optionsOf(name: string, url: string): Promise<Headers> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS)
    return (await fetch(url, { method: 'OPTIONS', signal })).headers
  } catch (error) {
    throw new Error(`--peer is ${name}=${url} but OPTIONS gets no answer there`, { cause: error })
  }
}

function casesOf(headers: Headers): readonly CaseName[] {
  const extensions = listOf(headers, 'tus-extension')
  const algorithms = listOf(headers, 'tus-checksum-algorithm')
  const canCheck = ALGORITHMS.every((name) => algorithms.includes(name))
  return [
    ...(['one', 'eight', 'patches', 'many', 'small'] as const),
    ...(canCheck ? (['checked'] as const) : []),
    ...(extensions.includes('concatenation') ? (['joining'] as const) : []),
  ]
}

function listOf(headers: Headers, name: string): readonly string[] {
  return (headers.get(name) ?? '').split(',').map((word) => word.trim())
}
