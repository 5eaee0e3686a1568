import type { Log } from '../model/log.js'
import type { RecordsProblem } from '../model/record-store.js'

/** Logs that writing begins to fail. */
export function logTrouble(log: Log, fields: object, problem: RecordsProblem): void {
  if (problem === 'locked')
    log.warn(fields, 'another process has locked the database; records wait, uploads continue')
  else log.error(fields, 'the database cannot be written and is tried again; uploads continue')
}
