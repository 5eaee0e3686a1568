import { createHash } from 'node:crypto'
import type { UploadRecord } from '../../model/record.js'
import type { UploadFacts } from '../../model/upload-facts.js'
import { reasonOfSystem } from '../printable.js'
import type { Pace } from './pace.js'

/** Something that is wrong with an upload. */
export interface Fault {
  readonly kind: 'missing' | 'foreign' | 'damaged'
  readonly why: string
}

/** Where a look reads. */
export interface LookTools {
  readonly asLeft: (id: string) => Promise<{
    readonly storedBytes: number | undefined
    readonly facts: UploadFacts | 'missing' | 'torn' | 'foreign'
  }>
  /** The record; undefined where there is none, or no database. */
  readonly row: (id: string) => Promise<UploadRecord | undefined>
  /** The stored bytes before `to`, in pieces of so many. */
  readonly read: (id: string, to: number, pieceBytes: number) => AsyncIterable<Uint8Array>
  readonly pace: Pace
  /** So many bytes were proven. */
  readonly proven: (bytes: number) => void
}

/** What is to be proven: the digests of the bytes before some offsets, in order. */
type Proofs = readonly { readonly offset: number; readonly sha256: string }[]

/**
 * Looks at an upload, and reads what a digest is known of. Undefined where nothing is wrong, or nothing is there. What
 * cannot be read is damaged. Rejects at the signal, and where the database fails.
 */
export async function look(id: string, tools: LookTools): Promise<Fault | undefined> {
  const row = await tools.row(id)
  try {
    return await compared(id, row, tools)
  } catch (error) {
    if (tools.pace.isOver) throw error
    return damaged(`it cannot be read: ${reasonOfSystem(error)}`)
  }
}

async function compared(
  id: string,
  row: UploadRecord | undefined,
  tools: LookTools,
): Promise<Fault | undefined> {
  const { storedBytes, facts } = await tools.asLeft(id)
  if (storedBytes === undefined) return withoutBytes(facts, row)
  if (facts === 'foreign') return { kind: 'foreign', why: 'its sidecar is of another version of Lading' }
  if (facts === 'missing' || facts === 'torn')
    return {
      kind: 'damaged',
      why: `its sidecar is ${facts}; ${await withoutFacts(id, storedBytes, row, tools)}`,
    }
  const { sha256, length, checkpoints } = facts
  if (sha256 === null && row?.state === 'finished')
    return damaged('its record says finished, its sidecar does not')
  if (sha256 === null) {
    // A final upload that is not joined has no bytes that count.
    if (facts.parts !== null) return undefined
    const acknowledged = checkpoints.at(-1)?.offset ?? 0
    if (storedBytes < acknowledged)
      return damaged(`${storedBytes} bytes are stored, and ${acknowledged} were acknowledged`)
    return prove(id, checkpoints, tools)
  }
  if (storedBytes !== length) return damaged(`${storedBytes} bytes are stored, not ${length}`)
  if (row?.state === 'finished' && row.sha256 !== sha256)
    return damaged(`its record has the digest ${row.sha256}, its sidecar ${sha256}`)
  // A record that is not finished yet lags behind the files, after a crash or a lock; the server writes it again.
  return prove(id, [{ offset: storedBytes, sha256 }], tools)
}

function damaged(why: string): Fault {
  return { kind: 'damaged', why }
}

function withoutBytes(
  facts: UploadFacts | 'missing' | 'torn' | 'foreign',
  row: UploadRecord | undefined,
): Fault | undefined {
  if (facts !== 'missing') return { kind: 'missing', why: 'there is a sidecar without its bytes' }
  const hasFiles = row !== undefined && ['receiving', 'paused', 'finished'].includes(row.state)
  return hasFiles ? { kind: 'missing', why: `there is a record (${row.state}) without its files` } : undefined
}

/** What can be said of bytes that have no sidecar. */
async function withoutFacts(
  id: string,
  storedBytes: number,
  row: UploadRecord | undefined,
  tools: LookTools,
): Promise<string> {
  if (row?.state !== 'finished' || row.sha256 === null || row.length !== storedBytes)
    return 'nothing proves its bytes'
  const fault = await prove(id, [{ offset: storedBytes, sha256: row.sha256 }], tools)
  return fault
    ? `by its record, ${fault.why}`
    : 'its record proves the bytes, and the server writes the sidecar again'
}

/** Reads the bytes once and compares the digests on the way. */
async function prove(id: string, proofs: Proofs, tools: LookTools): Promise<Fault | undefined> {
  const [...due] = proofs
  const last = due.at(-1)?.offset ?? 0
  const hash = createHash('sha256')
  let at = 0
  const compare = (): Fault | undefined => {
    const next = due[0]
    if (next?.offset !== at) return undefined
    due.shift()
    const found = hash.copy().digest('hex')
    return found === next.sha256
      ? undefined
      : damaged(`the digest of its first ${at} bytes is ${found}, not ${next.sha256}`)
  }
  const atStart = compare()
  if (atStart) return atStart
  for await (const piece of tools.read(id, last, tools.pace.pieceBytes)) {
    await tools.pace.take(piece.length)
    for (let from = 0; from < piece.length; ) {
      const to = Math.min(piece.length, from + (due[0]?.offset ?? last) - at)
      hash.update(piece.subarray(from, to))
      at += to - from
      from = to
      const fault = compare()
      if (fault) return fault
    }
    tools.proven(piece.length)
  }
  return at < last ? damaged(`only ${at} bytes can be read`) : undefined
}
