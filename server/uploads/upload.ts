import type { Body } from '../model/body.js'
import { addCheckpoint, type Checkpoint } from '../model/checkpoint.js'
import type { UploadKind } from '../model/next-step.js'
import type { RecordState, UploadRecord } from '../model/record.js'
import type { StoredFacts, UploadFacts } from '../model/upload-facts.js'
import { Rate } from './rate.js'

/** The reason in the record of an upload that its client has terminated. */
export const TERMINATED = 'terminated by the client'

/** What the record of a removed upload says. */
export interface RecordEnd {
  readonly state: 'refused' | 'expired' | 'terminated'
  readonly reason: string
  /** The id of the final upload that has a part's bytes. */
  readonly joinedInto?: string | undefined
}

/** One upload in memory: progress lives here, the sidecar and the record follow. */
export class StoredUpload {
  readonly id: string
  /** Where outside tools find its bytes. */
  readonly address: string
  readonly createdAt: string
  readonly metadata: string | null
  readonly filename: string | null
  readonly declaredType: string | null
  /** Upload-Concat as it was sent. */
  readonly concat: string | null
  /** The ids of a final upload's parts. */
  readonly parts: readonly string[] | null
  /** Who created it; null, because all principals are anonymous today. */
  readonly owner: string | null = null
  length: number | null
  type: string | null
  /** Bytes that are in the file and count. */
  offset: number
  checkpoints: readonly Checkpoint[]
  sha256: string | null
  finishedAt: string | null
  touchedAtMs: number
  joinedAt: string | null
  /** When its client terminated it, while a final upload still needs it; it is gone for clients. */
  terminatedAt: string | null
  /** Bytes behind this count after a crash only once a checksum has been verified; null: all count. */
  verifiedTo: number | null
  /** The same as the sidecar has it. */
  savedVerifiedTo: number | null

  /** Its facts were saved since the machine started; see StoredFacts. */
  isCurrent: boolean

  /** The digest thread's rolling digest stands at `offset`. */
  digestLive: boolean
  /** The prefix did not match a checkpoint: only so many bytes of it are good. */
  damagedAfter: number | null = null
  /** It is being removed: nothing more is read or proven for it. */
  gone = false
  /** The server ends: what is done for it in the background stops where it is. */
  halted = false
  /** The body that is being received now. */
  body: Body | null = null
  /** The prefix being read again, where that is so. */
  proof: Promise<void> | null = null
  proofFailed = false
  /** The joining of a final upload, where it runs or waits its turn. Settles when the upload is finished, or is not. */
  joining: Promise<void> | null = null
  /** The client has its address: what fails from now on is tried again. */
  isLocationSent = true
  /** The last write of the sidecar; the next waits for it. */
  saving: Promise<void> = Promise.resolve()
  savesUnderWay = 0
  /** A save in the background waits for its turn; so does a flush. */
  isSaveDue = false
  isFlushDue = false
  /** The last flush in the background. */
  flushing: Promise<void> = Promise.resolve()
  readonly rate = new Rate()

  constructor(facts: StoredFacts, address: string) {
    this.id = facts.id
    this.address = address
    this.createdAt = facts.createdAt
    this.metadata = facts.metadata
    this.filename = facts.filename
    this.declaredType = facts.declaredType
    this.concat = facts.concat
    this.parts = facts.parts
    this.joinedAt = facts.joinedAt
    this.terminatedAt = facts.terminatedAt
    this.verifiedTo = facts.verifiedTo
    this.savedVerifiedTo = facts.verifiedTo
    this.length = facts.length
    this.type = facts.type
    this.offset = facts.offset
    this.checkpoints = facts.checkpoints
    this.sha256 = facts.sha256
    this.finishedAt = facts.finishedAt
    this.touchedAtMs = facts.touchedAtMs
    this.isCurrent = facts.isCurrent
    this.digestLive = facts.offset === 0
  }

  get kind(): UploadKind {
    if (this.parts) return 'final'
    return this.concat === null ? 'single' : 'partial'
  }

  /** Milliseconds since 1970. */
  get joinedAtMs(): number | null {
    return this.joinedAt === null ? null : Date.parse(this.joinedAt)
  }

  /** Its first bytes have yet to be looked at; a part's first bytes need not be a file's. */
  get isTypeDue(): boolean {
    return this.type === null && this.kind !== 'partial'
  }

  /** Notes that an answer gives the client its address. */
  markLocationSent(): void {
    this.isLocationSent = true
  }

  /** The state of an upload that has not been removed. */
  get state(): RecordState {
    if (this.sha256 !== null) return 'finished'
    if (this.terminatedAt !== null) return 'terminated'
    return this.body || this.joining ? 'receiving' : 'paused'
  }

  /** When it was last changed: by bytes, or by finishing; milliseconds since 1970. */
  get changedAtMs(): number {
    return Math.max(this.touchedAtMs, this.finishedAt === null ? 0 : Date.parse(this.finishedAt))
  }

  /** Notes that the digest of everything before `offset` is known. */
  mark(offset: number, sha256: string): void {
    if (offset > 0) this.checkpoints = addCheckpoint(this.checkpoints, { offset, sha256 })
  }

  /** The record as of now; `end` for an upload that is being removed. */
  toRecord(nowMs: number, end?: RecordEnd): UploadRecord {
    const { id, filename, type, declaredType, length, offset, sha256, metadata, createdAt, finishedAt } = this
    return {
      id,
      state: end?.state ?? this.state,
      ...{ filename, type, declaredType, length, offset, sha256, metadata },
      path: this.address,
      ...{ createdAt, updatedAt: new Date(nowMs).toISOString(), finishedAt },
      reason: end?.reason ?? (this.terminatedAt === null ? null : TERMINATED),
      concat: this.kind === 'single' ? null : this.kind,
      joinedInto: end?.joinedInto ?? null,
      owner: this.owner,
    }
  }

  /** The record of an upload that nobody changes now: as of its last change. */
  toRecordAtRest(): UploadRecord {
    return this.toRecord(this.changedAtMs)
  }

  /** What is to be kept of it beside its bytes, as of now. */
  toFacts(): UploadFacts {
    const { id, createdAt, length, metadata, filename, declaredType, type, verifiedTo, concat } = this
    const { parts, joinedAt, terminatedAt, checkpoints, sha256, finishedAt } = this
    return {
      ...{ id, createdAt, length, metadata, filename, declaredType, type, verifiedTo, concat },
      ...{ parts, joinedAt, terminatedAt, checkpoints, sha256, finishedAt },
    }
  }
}
