import { type DestinationStream, destination, type Logger, pino } from 'pino'
import type { Config } from './config.js'

/** Lines that may wait for a reader that does not read, in bytes; beyond that the newest are dropped. */
const MOST_WAITING_BYTES = 1024 * 1024
// A line for each of a thousand uploads a second is not worth a write of its own.
const GATHERED_BYTES = 4096
const FLUSH_EVERY_MS = 100
const STANDARD_ERROR = 2

/** Where lines go, and how to wait until they have. */
interface Lines extends DestinationStream {
  flush(done: (error?: Error) => void): void
}

/**
 * The log on standard error, so that standard output has the address alone. Nothing waits for its reader.
 * Secrets have no way in: no line carries headers or file contents.
 */
export async function createLog(config: Pick<Config, 'logLevel' | 'logFormat'>): Promise<Logger> {
  return pino({ level: config.logLevel, base: null }, await lines(config.logFormat))
}

async function lines(format: Config['logFormat']): Promise<Lines> {
  const out = standardError()
  if (format === 'json') return out
  // Loaded only where it is used: it is as large as the rest of the log.
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l' })
  return { write: (line) => out.write(pretty(line)), flush: (done) => out.flush(done) }
}

/** Standard error. Lines that cannot be written, to a disk that is full, are dropped: uploads do not end with them. */
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
      // With its lines still waiting it would try for ever when the process ends.
      if (out === opened) out = open()
      opened.destroy()
    })
    return opened
  }
  return { write: (line) => void out.write(line), flush: (done) => out.flush(done) }
}
