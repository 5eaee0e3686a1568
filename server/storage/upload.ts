import type { Body } from '../model/body.js'
import type { UploadPaths } from './paths.js'
import { Rate } from './rate.js'
import { addCheckpoint, type Checkpoint, type UploadKind } from './settle.js'
import type { Sidecar } from './sidecar.js'

/** The states of an upload's record. */
export type UploadState = 'receiving' | 'paused' | 'finished' | 'refused' | 'expired' | 'terminated'

/** The record of an upload; see the database's table. */
export interface UploadRow {
  readonly id: string
  readonly state: UploadState
  readonly filename: string | null
  readonly type: string | null
  readonly declaredType: string | null
  readonly length: number | null
  readonly offset: number
  readonly sha256: string | null
  readonly metadata: string | null
  readonly path: string
  readonly createdAt: string
  readonly updatedAt: string
  readonly finishedAt: string | null
  readonly reason: string | null
  /** What Upload-Concat made of it; null for an upload of its own. */
  readonly concat: 'partial' | 'final' | null
}

/** The reason in the record of an upload that its client has terminated. */
export const TERMINATED = 'terminated by the client'

/** What is known of an upload when it is created or found on the disk. */
export type UploadFacts = Omit<Sidecar, 'version' | 'updatedAt'> & {
  readonly offset: number
  readonly touchedAtMs: number
}

/** One upload in memory: progress lives here, the sidecar and the record follow. */
export class StoredUpload {
  readonly id: string
  readonly paths: UploadPaths
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

  /** The boot in which the sidecar was last written. */
  savedInBoot: string

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
  /** Its file is open in the digest thread. */
  isOpen = false
  /** The last write of the sidecar; the next waits for it. */
  saving: Promise<void> = Promise.resolve()
  savesUnderWay = 0
  /** A save in the background waits for its turn; so does a flush. */
  isSaveDue = false
  isFlushDue = false
  /** The last flush in the background. */
  flushing: Promise<void> = Promise.resolve()
  readonly rate = new Rate()

  constructor(facts: UploadFacts, paths: UploadPaths) {
    this.id = facts.id
    this.paths = paths
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
    this.savedInBoot = facts.bootId
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
  get state(): UploadState {
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
  toRow(nowMs: number, end?: { state: UploadState; reason: string }): UploadRow {
    const { id, filename, type, declaredType, length, offset, sha256, metadata, createdAt, finishedAt } = this
    return {
      id,
      state: end?.state ?? this.state,
      ...{ filename, type, declaredType, length, offset, sha256, metadata },
      path: this.paths.relative,
      ...{ createdAt, updatedAt: new Date(nowMs).toISOString(), finishedAt },
      reason: end?.reason ?? (this.terminatedAt === null ? null : TERMINATED),
      concat: this.kind === 'single' ? null : this.kind,
    }
  }

  /** The sidecar as of now. */
  toSidecar(nowMs: number, bootId: string): Sidecar {
    const { id, createdAt, length, metadata, filename, declaredType, type, sha256, finishedAt } = this
    const { verifiedTo, concat, joinedAt, terminatedAt, parts } = this
    const updatedAt = new Date(nowMs).toISOString()
    return {
      ...{ version: 1, id, createdAt, updatedAt, length, metadata, filename, declaredType },
      ...{ type, bootId, verifiedTo, concat, parts, joinedAt, terminatedAt },
      ...{ checkpoints: [...this.checkpoints], sha256, finishedAt },
    }
  }
}
