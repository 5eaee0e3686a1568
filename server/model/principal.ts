/** Who is asking. The gate decides it once for each request, and every look-up of an upload takes it. */
export interface Principal {
  readonly kind: 'anonymous'
}

/** Somebody who has not said who they are. */
export const ANONYMOUS: Principal = { kind: 'anonymous' }

/** Who owns what a principal creates; null for nobody. */
export function ownerOf(_principal: Principal): string | null {
  return null
}

/** An upload as far as access to it is concerned. */
export interface Owned {
  /** Who created it; null where that was an anonymous principal. */
  readonly owner: string | null
}

/** Decides whether a principal may know of an upload. For one who may not, the upload is not there. */
export type AccessRule = (principal: Principal, upload: Owned) => boolean

/** The rule of a server without keys: an upload without an owner is there for everybody who has its address. */
export const mayAccess: AccessRule = (principal, { owner }) =>
  principal.kind === 'anonymous' && owner === null
