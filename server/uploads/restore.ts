import type { Sidecar } from '../model/sidecar.js'
import type { UploadRow } from './upload.js'

/** A boot that is never the current one: bytes behind the last checkpoint do not count. */
const NO_BOOT = 'unknown'

/**
 * A sidecar for bytes whose own is gone or torn, made from the record; undefined where there is no record
 * that can vouch for them, and they are a crash's leftovers. A finished file keeps its digest; an unfinished
 * one begins again at byte 0 under its old address, because nothing proves its bytes.
 */
export function sidecarFromRow(row: UploadRow | undefined, fileBytes: number): Sidecar | undefined {
  // What was to be joined from which parts, no record says; the parts are kept until they expire.
  if (!row || (row.concat === 'final' && row.state !== 'finished')) return undefined
  const finished = row.state === 'finished' && row.sha256 !== null && row.length === fileBytes
  if (!finished && row.state !== 'receiving' && row.state !== 'paused') return undefined
  const { id, createdAt, updatedAt, length, metadata, filename, declaredType } = row
  const facts = { version: 1 as const, id, createdAt, updatedAt, length, metadata, filename, declaredType }
  const concat = row.concat === 'partial' ? 'partial' : null
  const joined = { concat, parts: null, joinedAt: null, terminatedAt: null, verifiedTo: null }
  const open = { type: null, checkpoints: [], sha256: null, finishedAt: null }
  const done = { type: row.type, checkpoints: [], sha256: row.sha256, finishedAt: row.finishedAt }
  return { ...facts, ...joined, bootId: NO_BOOT, ...(finished ? done : open) }
}
