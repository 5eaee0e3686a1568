import { UploadError } from '../../errors.js'
import type { SharedFinals } from '../../model/shared-finals.js'
import { hasRoom } from './fair-limit.js'
import { MOST_NAMES, MOST_OPEN } from './open-finals.js'

/**
 * Looks whether a client may have one more final upload open, of all nodes together; the limits are those of one process.
 * Rejects with finals_full, and as the storage does.
 */
export async function checkRoom(
  finals: Pick<SharedFinals, 'held'>,
  { client, parts }: { readonly client: string; readonly parts: readonly string[] },
): Promise<void> {
  const held = await finals.held(client)
  const isFree = hasRoom(MOST_OPEN, held.finals, 1) && hasRoom(MOST_NAMES, held.names, new Set(parts).size)
  if (!isFree) throw new UploadError('finals_full', { detail: client })
}
