import { UploadError } from '../errors.js'
import { mostBytesOf } from '../model/grant.js'
import type { UploadRequest } from '../model/request.js'
import type { StorageTools } from './tools.js'

/**
 * Creates an upload; one that comes with a grant takes one of its uploads, and gives it back where nothing new was
 * created. Rejects with grant_used, size_exceeded, and as `create` does.
 */
export async function withGrant<T>(
  request: UploadRequest,
  bytes: number,
  { maxSizeBytes, takeGrant, returnGrant }: Pick<StorageTools, 'maxSizeBytes' | 'takeGrant' | 'returnGrant'>,
  create: () => Promise<T>,
): Promise<T> {
  const { id, principal } = request
  if (principal.kind !== 'grant') return create()
  const { grant } = principal
  if (bytes > mostBytesOf({ grant }, maxSizeBytes)) throw new UploadError('size_exceeded')
  // Before the creation: what runs at the same time counts too.
  await takeGrant(grant, id)
  let isNew = false
  try {
    const created = await create()
    // The same final upload may have been made before.
    isNew = request.upload?.id === id
    return created
  } finally {
    if (!isNew) returnGrant(grant.id, id)
  }
}
