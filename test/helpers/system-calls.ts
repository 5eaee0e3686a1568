import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, type TestServer, temporaryFolder } from './server.js'
import { bounded } from './test.js'

const NAMES =
  'mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg'
/** Longer than a sidecar without metadata. */
const STRING_BYTES = 2_000

/** One call that a process made. Of two calls, one came after the other if it began behind the other's end. */
export interface SystemCall {
  /** Name, arguments and result, as strace writes them; descriptors are followed by `<path>`. */
  readonly text: string
  /** Places in the order of all beginnings and ends. */
  readonly begin: number
  readonly end: number
}

/** Records the calls of a server until `end`, which resolves with them. */
export interface Recording {
  /** Resolves when such a call has begun. */
  until(step: Step): Promise<unknown>
  end(): Promise<SystemCall[]>
}

/**
 * Records which calls a server makes from now on to change or flush files and to answer. `slowed` makes each call of
 * these names, which commas part, take so much longer.
 */
export async function recordCalls(
  { pid }: Pick<TestServer, 'pid'>,
  slowed?: { readonly names: string; readonly byMs: number },
): Promise<Recording> {
  const output = join(temporaryFolder(), 'strace')
  const slow = slowed ? ['-e', `inject=${slowed.names}:delay_enter=${slowed.byMs * 1_000}`] : []
  const args = ['-f', '-y', '-s', `${STRING_BYTES}`, '-e', `trace=${NAMES}`, ...slow, '-o', output]
  const strace = spawn('strace', [...args, '-p', `${pid}`], { stdio: ['ignore', 'ignore', 'pipe'] })
  const kill = (): void => void strace.kill('SIGKILL')
  process.on('exit', kill)
  await bounded(30_000, once(strace.stderr, 'data'), 'strace')
  return {
    until: ([what, pattern]) =>
      eventually(60_000, what, async () => {
        const calls = callsIn(readFileSync(output, 'utf8').split('\n'))
        return calls.some(({ text }) => pattern.test(text)) ? true : undefined
      }),
    end: async () => {
      const ended = once(strace, 'exit')
      strace.kill('SIGINT')
      await bounded(30_000, ended, 'the end of strace')
      process.off('exit', kill)
      return callsIn(readFileSync(output, 'utf8').split('\n'))
    },
  }
}

/** The calls in strace's output, where a call during which another thread did something has two lines. */
function callsIn(lines: readonly string[]): SystemCall[] {
  const begun = new Map<string, { text: string; begin: number; end: number }>()
  const calls: SystemCall[] = []
  for (const [place, line] of lines.entries()) {
    const [, thread = '', resumed, text = ''] = /^(\d+)\s+(<\.\.\. \w+ resumed>)?(.*)$/.exec(line) ?? []
    const call = resumed === undefined ? { text, begin: place, end: place } : begun.get(thread)
    if (!call) continue
    if (resumed !== undefined) {
      begun.delete(thread)
      call.text += text
      call.end = place
    } else if (text.endsWith('<unfinished ...>')) {
      call.end = Number.POSITIVE_INFINITY
      begun.set(thread, call)
    }
    if (resumed === undefined && /^\w+\(/.test(text)) calls.push(call)
  }
  return calls
}

/** A step that must be seen: what it is, and what its call looks like. */
export type Step = readonly [what: string, call: RegExp]

/** Fails unless these calls were made, each begun after the one before it had ended. */
export function assertOrder(calls: readonly SystemCall[], steps: readonly Step[]): void {
  let after = -1
  for (const [index, [what, pattern]] of steps.entries()) {
    const found = calls.find(({ begin, text }) => begin > after && pattern.test(text))
    if (!found) throw new Error(`not in this place: ${what} (step ${index + 1})\n${shown(calls)}`)
    after = found.end
  }
}

/** Fails where one of the calls matches. */
export function assertNone(calls: readonly SystemCall[], what: string, pattern: RegExp): void {
  const found = calls.filter(({ text }) => pattern.test(text))
  if (found.length > 0) throw new Error(`${what}:\n${shown(found)}`)
}

/** The calls that touch uploads or answer, short enough to be read. */
function shown(calls: readonly SystemCall[]): string {
  const ours = calls.filter(({ text }) => /\/uploads\b|"HTTP\/1\.1 /.test(text))
  return ours.map(({ text, begin, end }) => `${begin}-${end} ${text.slice(0, 200)}`).join('\n')
}
