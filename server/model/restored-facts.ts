import { isUnfinished, type UploadRecord } from './record.js'
import type { UploadFacts } from './upload-facts.js'

/**
 * Facts for bytes whose own are gone or torn, made from the record; undefined where there is no record
 * that can vouch for them, and they are a crash's leftovers. A finished file keeps its digest; an unfinished
 * one begins again at byte 0 under its old address, because nothing proves its bytes.
 */
export function factsFromRecord(row: UploadRecord | undefined, storedBytes: number): UploadFacts | undefined {
  // What was to be joined from which parts, no record says; the parts are kept until they expire.
  if (!row || (row.concat === 'final' && row.state !== 'finished')) return undefined
  const finished = row.state === 'finished' && row.sha256 !== null && row.length === storedBytes
  if (!finished && !isUnfinished(row.state)) return undefined
  const { id, createdAt, owner, length, metadata, filename, declaredType } = row
  const facts = { id, createdAt, owner, length, metadata, filename, declaredType }
  const concat = row.concat === 'partial' ? 'partial' : null
  const joined = {
    concat,
    parts: null,
    joinedAt: null,
    terminatedAt: null,
    verifiedTo: null,
    expireAfterMs: null,
    grant: null,
  }
  const open = { type: null, checkpoints: [], sha256: null, finishedAt: null }
  const done = { type: row.type, checkpoints: [], sha256: row.sha256, finishedAt: row.finishedAt }
  return { ...facts, ...joined, ...(finished ? done : open) }
}
