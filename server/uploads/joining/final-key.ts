import { createHash } from 'node:crypto'

/** What a final upload is asked for with. */
export interface FinalRequest {
  readonly parts: readonly string[] | null
  /** Upload-Metadata as it was sent. */
  readonly metadata: string | null
}

/** 32 bytes, one in each character, that are the same for the same parts and metadata: a request may have 64 KiB. */
export function finalKey({ parts, metadata }: FinalRequest): string {
  const hash = createHash('sha256')
  for (const part of parts ?? []) hash.update(part).update(' ')
  return hash
    .update(';')
    .update(metadata ?? '')
    .digest('binary')
}
