import { UploadError } from '../../errors.js'
import type { Principal } from '../../model/principal.js'
import type { Asked } from '../gate.js'

/** The methods of tus that each kind of token is for; a token of an owner is for all, and for the API. */
const METHODS: Readonly<Record<'grant' | 'upload key' | 'link', readonly string[]>> = {
  grant: ['POST', 'HEAD', 'PATCH', 'DELETE'],
  'upload key': ['HEAD', 'PATCH', 'DELETE'],
  link: ['GET', 'HEAD'],
}
/** Addresses at which each owner sees what is their own. A grant does not: several people may have it. */
const LISTS: readonly string[] = ['/api/uploads', '/api/events']
/** What continues an upload. */
const WHEN_OVER: readonly string[] = ['HEAD', 'PATCH']
const NOT_FOR_THIS = 'The token is valid, but not for this request'

/**
 * Throws token_expired where a token whose time is over asks for more than to continue an upload, and token_invalid
 * where a token asks for what it is not for.
 */
export function checkPermission(principal: Principal, { isUploads, method }: Asked): void {
  if (principal.kind === 'anonymous' || principal.kind === 'admin') return
  const isOver = principal.kind === 'user' ? principal.lapsed !== null : isGrantOver(principal)
  if (isOver && !(isUploads && WHEN_OVER.includes(method))) throw new UploadError('token_expired')
  if (principal.kind === 'user') return
  if (!isUploads || !METHODS[principal.kind].includes(method))
    throw new UploadError('token_invalid', { sentence: NOT_FOR_THIS })
}

/** Tells whether each owner sees at this address what is their own. */
export function isOfLists(path: string): boolean {
  return LISTS.includes(path)
}

function isGrantOver(principal: Principal): boolean {
  return principal.kind === 'grant' && principal.isOver
}
