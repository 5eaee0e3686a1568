import type { Lapsed, Principal } from '../../model/principal.js'
import { tokenIn } from '../../model/signed-query.js'
import type { Asked } from '../gate.js'
import { type Grants, isGrantToken } from './grants.js'
import type { UploadTokens } from './upload-tokens.js'

/** A token that the server itself has signed, and whether it came in the query. */
interface Signed {
  readonly kind: 'grant' | 'key' | 'link'
  readonly token: string
  readonly isInQuery: boolean
}

export interface SignedParts {
  readonly grants: Pick<Grants, 'read' | 'isOver'>
  readonly uploadTokens: Pick<UploadTokens, 'keys' | 'checkKey' | 'checkLink'>
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly expireAfterMs: number
}

/** No upload finished since then. */
const NEVER: Lapsed = { finishedSince: '9999' }

/**
 * The signed token of a request: a grant in its header, or else one in its query. Undefined where there is none. Where
 * no token is asked for (`isOpen`), what has not the form of one in a query is a client's own.
 */
export function signedIn(
  bearer: string | undefined,
  { query, isUploads }: Asked,
  isOpen: boolean,
): Signed | undefined {
  if (bearer !== undefined)
    return isGrantToken(bearer) ? { kind: 'grant', token: bearer, isInQuery: false } : undefined
  if (query === '' || !isUploads) return undefined
  const found = tokenIn(query)
  if (!found || (isOpen && !found.hasForm)) return undefined
  return { kind: found.name, token: found.token, isInQuery: true }
}

/** Verifies tokens that the server itself has signed. */
export class SignedTokens {
  readonly #parts: SignedParts

  constructor(parts: SignedParts) {
    this.#parts = parts
  }

  /** Whose a token is. Rejects with token_invalid, token_expired, and with the disk's error. */
  async check({ kind, token, isInQuery }: Signed, { id, method }: Asked): Promise<Principal> {
    const { grants, uploadTokens } = this.#parts
    switch (kind) {
      case 'grant': {
        const grant = await grants.read(token)
        const keyOf = isInQuery ? await uploadTokens.keys(grant.id) : undefined
        const locationQuery = (upload: string): string => (keyOf ? `?key=${keyOf(upload)}` : '')
        return {
          kind: 'grant',
          grant,
          isOver: grants.isOver(grant),
          lapsed: this.#lapsed(method),
          locationQuery,
        }
      }
      case 'key': {
        const grantId = await uploadTokens.checkKey(id, token)
        return { kind: 'upload key', id, grantId, lapsed: this.#lapsed(method) }
      }
      case 'link':
        return { kind: 'link', id, finishedAt: await uploadTokens.checkLink(id, token) }
    }
  }

  /** What was created is there for as long as its client may ask for the offset; a finished file it cannot remove. */
  #lapsed(method: string): Lapsed {
    if (method === 'DELETE') return NEVER
    return { finishedSince: new Date(this.#parts.now() - this.#parts.expireAfterMs).toISOString() }
  }
}
