import type { Grant, GrantTerms } from './grant.js'

/** Who is asking. The gate decides it once for each request, and every look-up of an upload takes it. */
export type Principal = Anonymous | User | Admin | GrantHolder | KeyHolder | LinkHolder

/** Somebody who has not said who they are; where tokens are asked for, nobody is anonymous. */
interface Anonymous {
  readonly kind: 'anonymous'
}

/** The `sub` of a token. */
interface User {
  readonly kind: 'user'
  readonly owner: string
  /** Null while the token is valid. */
  readonly lapsed: Lapsed | null
  /** When the token's time is over, in seconds since 1970; null for never. */
  readonly expiresAt: number | null
}

/** Whoever has the admin key. */
interface Admin {
  readonly kind: 'admin'
}

/** Whoever has a grant: what it created is there for them while it is unfinished. */
export interface GrantHolder {
  readonly kind: 'grant'
  readonly grant: Grant
  /** The grant's time is over. */
  readonly isOver: boolean
  readonly lapsed: Lapsed
  /** What follows the address of a new upload in its Location. */
  readonly locationQuery: (id: string) => string
}

/** Whoever has the key of one upload, which a grant has created. */
interface KeyHolder {
  readonly kind: 'upload key'
  readonly grantId: string
  readonly id: string
  readonly lapsed: Lapsed
}

/** Whoever has a link to a finished upload. */
interface LinkHolder {
  readonly kind: 'link'
  readonly id: string
  /** ISO 8601. Once the upload is removed, a hook may give its id to another one, which the link does not open. */
  readonly finishedAt: string
}

/** What is left of a token whose time is over: it may continue its own uploads, so that no byte is sent twice. */
export interface Lapsed {
  /**
   * Uploads that finished before are not there any more; ISO 8601. Those that finished later are: the client whose
   * last answer was lost asks for the offset, and would send all bytes again at a refusal.
   */
  readonly finishedSince: string
}

export const ANONYMOUS: Principal = { kind: 'anonymous' }
export const ADMIN: Principal = { kind: 'admin' }

/** An upload as far as access to it is concerned. */
export interface Owned {
  readonly id: string
  /** Who created it; null where that was an anonymous principal. */
  readonly owner: string | null
  /** ISO 8601; null before that. */
  readonly finishedAt: string | null
  /** The grant that it was created with; null for none. */
  readonly grantId: string | null
}

/** Decides whether a principal may know of an upload. For one who may not, the upload is not there. */
export type AccessRule = (principal: Principal, upload: Owned) => boolean

/** The rule of access. An upload without an owner is there for everybody who has its address while no token is asked for. */
export const mayAccess: AccessRule = (principal, { id, owner, finishedAt, grantId }) => {
  switch (principal.kind) {
    case 'anonymous':
      return owner === null
    case 'admin':
      return true
    case 'user':
      return owner === principal.owner && isStillOpen(principal.lapsed, finishedAt)
    case 'grant':
      return grantId === principal.grant.id && isStillOpen(principal.lapsed, finishedAt)
    case 'upload key':
      return id === principal.id && isStillOpen(principal.lapsed, finishedAt)
    case 'link':
      return id === principal.id && finishedAt === principal.finishedAt
  }
}

function isStillOpen(lapsed: Lapsed | null, finishedAt: string | null): boolean {
  return lapsed === null || finishedAt === null || finishedAt >= lapsed.finishedSince
}

/** Who owns what a principal creates; null for nobody. */
export function ownerOf(principal: Principal): string | null {
  if (principal.kind === 'grant') return principal.grant.owner
  return principal.kind === 'user' ? principal.owner : null
}

/** When what a principal has shown is over, in seconds since 1970; null for never. */
export function expiresAtOf(principal: Principal): number | null {
  if (principal.kind === 'grant') return principal.grant.expiresAt
  return principal.kind === 'user' ? principal.expiresAt : null
}

/** In whose name limits are counted: of an owner, or of a grant. Null for those who have no limits of their own. */
export function countedFor(principal: Principal): string | null {
  switch (principal.kind) {
    case 'user':
      return `owner ${principal.owner}`
    case 'grant':
      return `grant ${principal.grant.id}`
    case 'upload key':
      return `grant ${principal.grantId}`
    default:
      return null
  }
}

/** What stays with an upload of the grant that its creation came with; null where it came with none. */
export function grantTermsOf(principal: Principal): GrantTerms | null {
  if (principal.kind !== 'grant') return null
  const { id, accept, maxSize } = principal.grant
  return { id, accept, maxSize }
}
