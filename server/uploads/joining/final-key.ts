import { createHash } from 'node:crypto'
import type { GrantTerms } from '../../model/grant.js'

/** What a final upload is asked for with. */
export interface FinalRequest {
  readonly owner: string | null
  readonly grant: GrantTerms | null
  readonly parts: readonly string[] | null
  /** Upload-Metadata as it was sent. */
  readonly metadata: string | null
}

/** 32 bytes, one in each character, that are the same for the same owner, grant, parts and metadata: a request may have 64 KiB. */
export function finalKey({ owner, grant, parts, metadata }: FinalRequest): string {
  // As JSON a name ends where its quotes do, so that no other name and list give the same text.
  const hash = createHash('sha256').update(JSON.stringify([owner, grant?.id]))
  for (const part of parts ?? []) hash.update(part).update(' ')
  return hash
    .update(';')
    .update(metadata ?? '')
    .digest('binary')
}

/** The same in letters that every database takes. */
export function finalKeyText(request: FinalRequest): string {
  return Buffer.from(finalKey(request), 'binary').toString('hex')
}
