import { PassThrough, Readable } from 'node:stream'
import type { Console } from '../../server/commands/console.js'

/** The console of a command that runs in the test's own process; neither output is a terminal. */
export function fakeConsole(): {
  console: Console
  stop: () => void
  stdout: () => string
  stderr: () => string
} {
  const ended = new AbortController()
  const texts = { stdout: '', stderr: '' }
  const output = (name: keyof typeof texts): NodeJS.WriteStream => {
    const stream: unknown = new PassThrough().setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
    return stream as NodeJS.WriteStream
  }
  const console: Console = {
    stdout: output('stdout'),
    stderr: output('stderr'),
    stdin: () => Readable.from([]),
    env: {},
    signal: ended.signal,
  }
  return {
    console,
    stop: () => ended.abort('SIGINT'),
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
  }
}
