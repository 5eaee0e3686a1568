import type { Client } from './client.js'

/** The requirement level of the sentence (RFC 2119). */
export type Level = 'MUST' | 'SHOULD'

/** One sentence of the specification, and one way to try it. */
export interface Check {
  /** Where the sentence stands. */
  readonly section: string
  readonly level: Level
  /** The specification's own words. */
  readonly sentence: string
  /** What the check does; unique within its group. */
  readonly title: string
  /** Throws a Failure, or a Skip if it cannot be decided from outside. */
  run(client: Client): Promise<void>
}

export const GROUP_NAMES = [
  'core',
  'creation',
  'creation-defer-length',
  'creation-with-upload',
  'expiration',
  'checksum',
  'checksum-trailer',
  'termination',
  'concatenation',
  'concatenation-unfinished',
] as const

/** `core`, or an extension as Tus-Extension names it. */
export type GroupName = (typeof GROUP_NAMES)[number]

export interface Group {
  readonly name: GroupName
  readonly checks: readonly Check[]
}

/** The server does not do what the sentence says. */
export class Failure extends Error {
  readonly expected: string
  readonly seen: string

  constructor(expected: string, seen: string) {
    super(`expected ${expected}; saw ${seen}`)
    this.expected = expected
    this.seen = seen
  }
}

/** The check cannot be decided with this server, or not from outside within seconds. */
export class Skip extends Error {}

/** A check that is always skipped, so that its sentence is counted. */
export function undecidable(check: Omit<Check, 'run'>, reason: string): Check {
  return {
    ...check,
    run: async () => {
      throw new Skip(reason)
    },
  }
}
