import type { Turn } from '../model/cluster.js'
import type { Engine } from '../model/engine.js'
import type { EventKind } from '../model/event.js'
import type { Grant } from '../model/grant.js'
import type { Log } from '../model/log.js'
import type { AccessRule } from '../model/principal.js'
import type { UploadRecord } from '../model/record.js'
import type { Sniffer } from '../model/sniffer.js'
import type { Unfinished } from './unfinished.js'
import type { StoredUpload } from './upload.js'
import type { UploadHooks } from './upload-hooks.js'
import type { RecordEnd } from './upload-record.js'

/** What the parts of this folder may need from the server. Each names the few that it is given. */
export interface StorageTools {
  readonly engine: Engine
  readonly sniff: Sniffer
  readonly sniffBytes: number
  /** A view of a block's first bytes. */
  readonly view: (index: number, bytes: number) => Uint8Array
  /** The record of an upload. Rejects where the database cannot be asked now. */
  readonly row: (id: string) => Promise<UploadRecord | undefined>
  /** Every unfinished upload, with the time at which something is due with it. */
  readonly unfinished: Pick<Unfinished, 'admit' | 'set' | 'delete' | 'has'>
  /** Takes one of the uploads that a grant allows. Rejects with grant_used where it has none left. */
  readonly takeGrant: (grant: Grant, uploadId: string) => Promise<void>
  /** Gives it back: the upload was not created. */
  readonly returnGrant: (grantId: string, uploadId: string) => void
  /** Announces what happened to an upload; never waits. See Announcer. */
  readonly announce: (upload: StoredUpload, kind: EventKind, end?: RecordEnd) => void
  /** Runs `work` when nobody else has the upload any more. Rejects with upload_locked, and as `work` does. */
  readonly underLock: (id: string, work: () => Promise<void>) => Promise<void>
  /** Does `work` unless another node does work of this name now; null where there are no other nodes. Rejects as `work` does. */
  readonly alone: ((name: string, work: (turn: Turn) => Promise<void>) => Promise<void>) | null
  /** Tells whether bodies are being received now; joining gives way to them. */
  readonly isReceiving: () => boolean
  /** Tells whether a request, and not the server itself, holds an upload. */
  readonly isHeldByRequest: (id: string) => boolean
  /** Decides which uploads are there for a principal. */
  readonly mayAccess: AccessRule
  /** Tells whether a request or the server itself holds an upload, or awaits it. */
  readonly isHeld: (id: string) => boolean
  /** Nobody but this server may change an upload now, so that what is in memory of it is how it is. */
  readonly isOwn: (id: string) => boolean
  /** Called with the bytes of uploads that were stored, whether or not a checksum lets them count. */
  readonly received: (bytes: number) => void
  /** Null where there are no hooks. */
  readonly hooks: UploadHooks | null
  /** Makes a finish a part of a trace; null where there are no traces. */
  readonly traces: { finishing(upload: StoredUpload, work: () => Promise<void>): Promise<void> } | null
  readonly log: Log
  /** The date, in milliseconds since 1970: for what is kept, and for what is compared with files. */
  readonly now: () => number
  /** Milliseconds of a monotonic clock: for how long something takes. */
  readonly monotonic: () => number
  readonly durability: 'off' | 'finish' | 'request'
  readonly expireAfterMs: number
  readonly keepPartialsMs: number
  readonly maxSizeBytes: number
}
