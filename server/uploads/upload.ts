import type { Body } from '../model/body.js'
import { addCheckpoint, type Checkpoint } from '../model/checkpoint.js'
import type { GrantTerms } from '../model/grant.js'
import type { HookAnswer, HookRequest } from '../model/hook.js'
import type { UploadKind } from '../model/next-step.js'
import type { RecordState, UploadRecord } from '../model/record.js'
import { onlyFacts, type StoredFacts, type UploadFacts } from '../model/upload-facts.js'
import type { HookContext } from '../model/upload-view.js'
import { newSaves, type Proof, type Saves } from './background-state.js'
import { Rate } from './rate.js'
import { type RecordEnd, recordOf } from './upload-record.js'

class Upload {
  readonly id: string
  /** Where outside tools find its bytes. */
  readonly address: string
  readonly createdAt: string
  readonly metadata: string | null
  readonly filename: string | null
  readonly declaredType: string | null
  /** Upload-Concat as it was sent. */
  readonly concat: string | null
  /** Milliseconds without new bytes after which it expires, where a hook said so. */
  readonly expireAfterMs: number | null
  readonly parts: readonly string[] | null
  /** Who created it, and with which grant. */
  readonly owner: string | null
  readonly grant: GrantTerms | null
  readonly grantId: string | null
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
  /** The digest thread's rolling digest stands at `offset`. */
  digestLive: boolean
  /** The prefix did not match a checkpoint: only so many bytes of it are good. */
  damagedAfter: number | null = null
  /** It is being removed: nothing more is read or proven for it. */
  gone = false
  /** The server ends, or another node has changed it: what is done for it in the background stops where it is. */
  halted = false
  /** The body that is being received now. */
  body: Body | null = null
  readonly proof: Proof = { running: null, hasFailed: false }
  /** The join of a final upload, while it runs or waits its turn. Rejects with why it failed. */
  joining: Promise<void> | null = null
  /** Location was sent, so a failed join is retried, not undone. */
  isLocationSent = true
  readonly saves: Saves
  readonly hooks: HookContext = { request: null, answer: null, noticedAtMs: null }
  readonly rate = new Rate()

  constructor(facts: StoredFacts, address: string) {
    this.id = facts.id
    this.address = address
    this.createdAt = facts.createdAt
    this.owner = facts.owner
    this.grant = facts.grant
    this.grantId = facts.grant?.id ?? null
    this.metadata = facts.metadata
    this.filename = facts.filename
    this.declaredType = facts.declaredType
    this.concat = facts.concat
    this.expireAfterMs = facts.expireAfterMs
    this.parts = facts.parts
    this.joinedAt = facts.joinedAt
    this.terminatedAt = facts.terminatedAt
    this.verifiedTo = facts.verifiedTo
    this.length = facts.length
    this.type = facts.type
    this.offset = facts.offset
    this.checkpoints = facts.checkpoints
    this.sha256 = facts.sha256
    this.finishedAt = facts.finishedAt
    this.touchedAtMs = facts.touchedAtMs
    this.saves = newSaves(facts)
    this.digestLive = facts.offset === 0
  }

  get kind(): UploadKind {
    if (this.parts) return 'final'
    return this.concat === null ? 'single' : 'partial'
  }

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

  /** It was made for a request whose answer has yet to give its address. */
  markNew(): void {
    this.isLocationSent = false
  }

  /** A body is being received now, or none any more. */
  receive(body: Body | null): void {
    this.body = body
  }

  /** A join was entered or begins, or has ended. */
  setJoining(joining: Promise<void> | null): void {
    this.joining = joining
  }

  /** The request that has it now, for hooks, and what they added to its answer: a finish takes the upload out of memory. */
  setHookRequest(request: HookRequest | null, answer: HookAnswer | null = this.hooks.answer): void {
    this.hooks.request = request
    this.hooks.answer = answer
  }

  /** The request is answered: neither it nor what hooks added to the answer is kept. */
  endHookRequest(): void {
    this.hooks.request = null
    this.hooks.answer = null
  }

  /** `post-receive` was sent; milliseconds of a monotonic clock. */
  setNoticed(atMs: number): void {
    this.hooks.noticedAtMs = atMs
  }

  /** What `pre-finish` adds to the last answer. */
  setHookAnswer(answer: HookAnswer | null): void {
    this.hooks.answer = answer
  }

  /** Its length becomes known, or is not known again; null. */
  setLength(length: number | null): void {
    this.length = length
  }

  /** Its type was seen in its first bytes. */
  setType(type: string): void {
    this.type = type
  }

  /** Its type is decided again where it was seen in fewer than so many bytes. */
  forgetTypeBelow(bytes: number): void {
    if (this.offset < bytes) this.type = null
  }

  /** So many more bytes are stored and count. */
  addBytes(bytes: number, nowMs: number): void {
    this.offset += bytes
    if (bytes > 0) this.touchedAtMs = nowMs
  }

  /** It, or a part of it, got bytes at that time; milliseconds since 1970. */
  touch(atMs: number): void {
    this.touchedAtMs = Math.max(this.touchedAtMs, atMs)
  }

  /** Bytes behind `offset` wait for a checksum; null: none do. */
  setVerifiedTo(offset: number | null): void {
    this.verifiedTo = offset
  }

  /** The rolling digest stands at the offset, or does not. */
  setDigestLive(isLive: boolean): void {
    this.digestLive = isLive
  }

  /** What it was before a body that does not count. */
  goBack(before: Before): void {
    Object.assign(this, before)
  }

  /** Only so many of its first bytes are proven. */
  setDamaged(goodBytes: number): void {
    this.damagedAfter = goodBytes
  }

  /** It goes on from the bytes that are proven. */
  fallBack(goodBytes: number): void {
    this.checkpoints = this.checkpoints.filter(({ offset }) => offset <= goodBytes)
    this.offset = goodBytes
    this.digestLive = goodBytes === 0
    this.damagedAfter = null
  }

  /** A join begins: nothing that an earlier one left counts. */
  beginJoin(): void {
    this.checkpoints = []
  }

  /** A join has stored all its bytes. */
  endJoin(nowMs: number): void {
    this.offset = this.length ?? 0
    this.digestLive = true
    this.touchedAtMs = nowMs
  }

  /** A join could not be finished: it begins again at byte 0. */
  undoJoin(): void {
    this.offset = 0
  }

  /** It is finished; its facts say so already. */
  finish(sha256: string, finishedAt: string): void {
    this.sha256 = sha256
    this.finishedAt = finishedAt
  }

  /** It was joined into a final upload. */
  markJoined(at: string): void {
    this.joinedAt = at
  }

  /** Its client terminated it while a final upload needs it; null: that could not be written. */
  markTerminated(at: string | null): void {
    this.terminatedAt = at
  }

  /** It is being removed, or its bytes are gone. */
  markGone(): void {
    this.gone = true
  }

  /** What is done for it in the background stops, or may go on. */
  setHalted(isHalted: boolean): void {
    this.halted = isHalted
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
    return recordOf(this, nowMs, end)
  }

  /** The record of an upload that nobody changes now: as of its last change. */
  toRecordAtRest(): UploadRecord {
    return this.toRecord(this.changedAtMs)
  }

  /** What is to be kept of it beside its bytes, as of now. */
  toFacts(): UploadFacts {
    return onlyFacts(this)
  }
}

/** What a body may change and take back. */
export type Before = Pick<StoredUpload, 'offset' | 'type' | 'checkpoints' | 'touchedAtMs'>

/** One upload in memory: progress lives here, its facts and its record follow. Only its own methods change it. */
export type StoredUpload = Readonly<Upload>
export const StoredUpload: new (facts: StoredFacts, address: string) => StoredUpload = Upload
