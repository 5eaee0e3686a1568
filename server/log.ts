import { type DestinationStream, destination, type Logger, pino } from 'pino'
import type { Config } from './config.js'

/** Lines that may wait for a reader that does not read, in bytes; beyond that the newest are dropped. */
const MOST_WAITING_BYTES = 1024 * 1024
// A line for each of a thousand uploads a second is not worth a write of its own.
const GATHERED_BYTES = 4096
const FLUSH_EVERY_MS = 100
const STANDARD_ERROR = 2

/**
 * The log on standard error, so that standard output has the address alone. Nothing waits for its reader.
 * Secrets have no way in: no line carries headers or file contents.
 */
export async function createLog(config: Pick<Config, 'logLevel' | 'logFormat'>): Promise<Logger> {
  return pino({ level: config.logLevel, base: null }, await stream(config.logFormat))
}

async function stream(format: Config['logFormat']): Promise<DestinationStream> {
  const out = destination({
    dest: STANDARD_ERROR,
    sync: false,
    maxLength: MOST_WAITING_BYTES,
    minLength: GATHERED_BYTES,
    periodicFlush: FLUSH_EVERY_MS,
  })
  // A log that cannot be written, on a disk that is full, must not end the uploads with it.
  out.on('error', () => {})
  if (format === 'json') return guarded(out)
  // Loaded only where it is used: it is as large as the rest of the log.
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l' })
  return guarded({ write: (line) => void out.write(pretty(line)), flush: (done) => out.flush(done) })
}

interface Lines {
  write(line: string): unknown
  flush(done: (error?: Error) => void): void
}

/** A plain stream: pino passes the errors of its own kind of stream on to nobody, which would end the process. */
function guarded(lines: Lines): DestinationStream & Pick<Lines, 'flush'> {
  return { write: (line) => void lines.write(line), flush: (done) => lines.flush(done) }
}
