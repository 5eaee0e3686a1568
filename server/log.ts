import { type DestinationStream, destination, type Logger, pino } from 'pino'
import type { Config } from './config.js'

/** Bytes of lines that may wait if nobody reads standard error. Beyond that the newest lines are dropped. */
const MOST_WAITING_BYTES = 1024 * 1024
// A thousand uploads a second have a line each: one write takes many lines.
const GATHERED_BYTES = 4096
const FLUSH_EVERY_MS = 100
const STANDARD_ERROR = 2

/** Where lines go; `flush` waits until they are written. */
interface Lines extends DestinationStream {
  flush(done: (error?: Error) => void): void
}

/**
 * The log on standard error; standard output has only the address. No request waits for a line to be read.
 * No line has headers or file contents, so no line has a secret.
 */
export async function createLog(config: Pick<Config, 'logLevel' | 'logFormat'>): Promise<Logger> {
  return pino({ level: config.logLevel, base: null }, await lines(config.logFormat))
}

async function lines(format: Config['logFormat']): Promise<Lines> {
  const out = standardError()
  if (format === 'json') return out
  // Imported only if it is used, because it is as large as the rest of the log.
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l' })
  return { write: (line) => out.write(pretty(line)), flush: (done) => out.flush(done) }
}

/** Standard error. Lines that cannot be written, for example to a full disk, are dropped; uploads go on. */
function standardError(): Lines {
  let out = open()
  function open(): ReturnType<typeof destination> {
    const opened = destination({
      dest: STANDARD_ERROR,
      sync: false,
      maxLength: MOST_WAITING_BYTES,
      minLength: GATHERED_BYTES,
      periodicFlush: FLUSH_EVERY_MS,
    })
    opened.on('error', () => {
      // A destination with waiting lines would retry for ever when the process ends, so a new one replaces it.
      if (out === opened) out = open()
      opened.destroy()
    })
    return opened
  }
  return { write: (line) => void out.write(line), flush: (done) => out.flush(done) }
}
