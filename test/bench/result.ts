import { readFileSync, writeFileSync } from 'node:fs'
import type { AttackRun } from './attacks.js'
import type { Machine } from './machine.js'

/** The first field of a result's file. Changes with the shape of what follows. */
const FORMAT = 'lading-bench 1'

export type CaseName =
  | 'one'
  | 'eight'
  | 'resume'
  | 'patches'
  | 'many'
  | 'small'
  | 'checked'
  | 'joining'
  | 'downloads'
  | 'memory'

/** One measurement of one server. A figure that cannot be seen is missing. */
export interface Sample {
  /** In the case's unit, a second: MB (10^6 bytes), or uploads. */
  readonly rate: number
  /** Of the server, and of openssl where that computes the digest; for a GiB, or for 1,000 uploads. */
  readonly cpuSeconds?: number | undefined
  /** Before the first request. */
  readonly idleRssBytes?: number | undefined
  /** Of the server since its start; of a peer since the measurement began. */
  readonly peakRssBytes?: number | undefined
  /** The highest value that /api/status gave during the measurement. */
  readonly eventLoopP99Ms?: number | undefined
}

export interface CaseFacts {
  readonly name: CaseName
  readonly title: string
  readonly rateUnit: string
  readonly cpuUnit: string
}

/** All measurements of one server in one case. */
export interface Series {
  readonly case: CaseName
  readonly contender: string
  /** The way in which the case was done, for example under which checksum; empty for the plain one. */
  readonly variant: string
  readonly samples: readonly Sample[]
}

/** What one run of the benchmark measured. Everything that is printed is made from this. */
export interface Result {
  readonly startedAt: string
  readonly rounds: number
  /** By what sizes and counts were divided. */
  readonly divisor: number
  readonly machine: Machine
  readonly contenders: readonly { readonly name: string; readonly about: string }[]
  /** Servers and cases that were left out, with the reason. */
  readonly leftOut: readonly string[]
  readonly cases: readonly CaseFacts[]
  readonly series: readonly Series[]
  readonly attacks: readonly AttackRun[]
}

/** Writes a result as JSON, with figures that follow from it, which are not read back. */
export function writeResult(path: string, result: Result, derived: object): void {
  writeFileSync(path, `${JSON.stringify({ format: FORMAT, ...result, derived }, null, 1)}\n`)
}

/** Reads a result that writeResult wrote. Throws an Error with one line for any other file. */
export function readResult(path: string): Result {
  try {
    const result: Result & { format?: unknown } = JSON.parse(readFileSync(path, 'utf8'))
    if (result.format === FORMAT) return result
  } catch (error) {
    throw new Error(`--from is ${path} but that cannot be read as JSON`, { cause: error })
  }
  throw new Error(`--from is ${path} but that is no result of --json, or one of another version`)
}
