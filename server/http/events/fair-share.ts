import { UploadError } from '../../errors.js'
import { countedFor, type Principal } from '../../model/principal.js'

/** In whose name streams are counted: of a token's owner, or of the address of an admin. */
export function holderOf(principal: Principal, address: string): string {
  return countedFor(principal) ?? `${principal.kind} ${address}`
}

interface Reader {
  readonly heldBy: string
  drop(): void
}

/**
 * Where all places are taken, drops the oldest reader of whoever has most for one of `heldBy`, so that no token and no
 * address can keep the others away. Throws event_streams_full where nobody has at least two more than `heldBy`.
 */
export function makePlace<R extends Reader>(readers: Set<R>, heldBy: string): void {
  const counts = new Map<string, number>()
  for (const reader of readers) counts.set(reader.heldBy, (counts.get(reader.heldBy) ?? 0) + 1)
  const [holder, most] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0])
  const oldest = [...readers].find((reader) => reader.heldBy === holder)
  if (!oldest || most <= (counts.get(heldBy) ?? 0) + 1) throw new UploadError('event_streams_full')
  readers.delete(oldest)
  oldest.drop()
}
