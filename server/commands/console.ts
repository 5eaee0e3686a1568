import type { Readable } from 'node:stream'

/** What a command has of the process it runs in. */
export interface Console {
  /** Results: one line each. */
  readonly stdout: NodeJS.WriteStream
  /** Progress and complaints. */
  readonly stderr: NodeJS.WriteStream
  /** Standard input; opened when it is first read. */
  readonly stdin: () => Readable
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts at SIGINT or SIGTERM; its reason is the signal's name. */
  readonly signal: AbortSignal
}

/** The exit code of a command that a signal has ended, as shells count it. */
export function exitCodeOf(signal: AbortSignal): number {
  return signal.reason === 'SIGTERM' ? 143 : 130
}
