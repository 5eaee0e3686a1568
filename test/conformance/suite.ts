import { type Check, Failure, type Group, Skip } from './check.js'
import { Client } from './client.js'
import { Connection } from './connection.js'
import type { Target } from './target.js'

/** A server that hangs fails the check, and does not hang the suite. */
const CHECK_WITHIN_MS = 10_000
const REMOVE_WITHIN_MS = 2_000

export type Outcome = 'passed' | 'failed' | 'skipped'

/** What came of one check. */
export interface Result {
  readonly group: string
  readonly section: string
  readonly level: Check['level']
  readonly sentence: string
  readonly title: string
  readonly outcome: Outcome
  /** Of a failed one. */
  readonly expected?: string
  readonly seen?: string
  /** Of a skipped one. */
  readonly reason?: string
}

type Verdict = Pick<Result, 'outcome' | 'expected' | 'seen' | 'reason'>

/**
 * Runs the checks one after the other, so that the limits of a server on concurrent work do not matter.
 * A check under which the server ends has failed; `comeBack` gives it again, or rejects where it does not.
 */
export async function runGroups(
  begun: Target,
  groups: readonly Group[],
  comeBack: () => Promise<Target>,
): Promise<Result[]> {
  let target: Target | undefined = begun
  const results: Result[] = []
  for (const group of groups) {
    const offered = group.name === 'core' || begun.extensions.includes(group.name)
    for (const check of group.checks) {
      const { section, level, sentence, title } = check
      let verdict: Verdict
      if (!offered) verdict = { outcome: 'skipped', reason: `Tus-Extension does not offer ${group.name}` }
      else if (target === undefined) verdict = { outcome: 'skipped', reason: 'the server is gone' }
      else {
        verdict = await runCheck(target, check)
        if (!(await lives(target))) {
          verdict = { outcome: 'failed', expected: 'a server that goes on', seen: endOf(verdict) }
          target = await comeBack().catch(() => undefined)
        }
      }
      results.push({ group: group.name, section, level, sentence, title, ...verdict })
    }
  }
  return results
}

async function runCheck(target: Target, check: Check): Promise<Verdict> {
  const client = new Client(target)
  try {
    await bounded(CHECK_WITHIN_MS, check.run(client))
    return { outcome: 'passed' }
  } catch (error) {
    if (error instanceof Skip) return { outcome: 'skipped', reason: error.message }
    if (error instanceof Failure) return { outcome: 'failed', expected: error.expected, seen: error.seen }
    // What is no answer at all: connections that end, and what is not HTTP.
    const seen = error instanceof Error ? error.message : String(error)
    return { outcome: 'failed', expected: 'an answer', seen }
  } finally {
    client.close()
    await removeCreated(target, client)
  }
}

/** Whether the server still takes connections. */
async function lives({ url }: Target): Promise<boolean> {
  try {
    const connection = await Connection.open(url)
    connection.close()
    return true
  } catch {
    return false
  }
}

function endOf({ seen }: Verdict): string {
  return `it takes no connections any more${seen === undefined ? '' : `; and before: ${seen}`}`
}

/** Removes what a check created, if the server supports termination: it may be a real server. */
async function removeCreated(target: Target, { created }: Client): Promise<void> {
  if (!target.extensions.includes('termination') || created.length === 0) return
  const client = new Client(target)
  const removals = async (): Promise<void> => {
    for (const url of created) await client.remove(url)
  }
  // Some are gone already. Whether DELETE works is tried by a check, not here.
  await bounded(REMOVE_WITHIN_MS, removals()).catch(() => {})
  client.close()
}

async function bounded(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Failure(`all answers within ${ms / 1_000} s`, 'silence')), ms)
  })
  // The work may still throw when its connections are ended; that is not a result.
  work.catch(() => {})
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
