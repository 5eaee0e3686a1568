import { createSecretKey } from 'node:crypto'
import type { JWTVerifyGetKey, JWTVerifyOptions } from 'jose'
import { UploadError } from '../../errors.js'
import type { Principal } from '../../model/principal.js'
import { fetchJson } from './fetch-json.js'
import { KeySet, type KeySetTools } from './key-set.js'

/**
 * The kind of key fixes the algorithms, and what a token says of itself does not: otherwise the public key of a set
 * could be used as the secret of a forged token.
 */
const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512']
const KEY_SET_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
/** The clock of whoever signs may be ahead by so much: a token that has just been made counts. */
const SKEW_S = 5
const KEY_SET_LIMITS = { timeoutMs: 3_000, mostBytes: 256 * 1024 }
/** A name that every file, database and header can have. */
const OWNER = /^[^\p{Cc}\p{Cs}]{1,256}$/u

/** Verifies a token and tells whose it is. Rejects with token_invalid or auth_unavailable. */
export type TokenCheck = (token: string) => Promise<Principal>

export interface TokenSettings {
  readonly authJwks: string | null
  readonly authSecret: string | null
  readonly authIssuer: string | null
  readonly authAudience: string | null
  readonly expireAfterMs: number
}

export interface TokenTools extends Pick<KeySetTools, 'monotonic' | 'log'> {
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** The check of JSON Web Tokens; undefined where the settings ask for none. */
export async function createTokenCheck(
  settings: TokenSettings,
  tools: TokenTools,
): Promise<TokenCheck | undefined> {
  const { authJwks: url, authSecret, authIssuer, authAudience, expireAfterMs } = settings
  if (url === null && authSecret === null) return undefined
  // Loaded only here: a server without tokens needs neither its time nor its memory.
  const jose = await import('jose')
  const options: JWTVerifyOptions = {
    requiredClaims: ['sub'],
    ...(authIssuer === null ? {} : { issuer: authIssuer }),
    ...(authAudience === null ? {} : { audience: authAudience }),
  }
  const load = async (): Promise<JWTVerifyGetKey> =>
    jose.createLocalJWKSet(keySetOf(await fetchJson(url ?? '', KEY_SET_LIMITS)))
  const keys = new KeySet({ ...tools, load })
  const secret = authSecret === null ? undefined : createSecretKey(Buffer.from(authSecret))
  const verify = async (token: string, skew: Pick<JWTVerifyOptions, 'clockTolerance'>): Promise<unknown> => {
    if (secret) return jose.jwtVerify(token, secret, { ...options, ...skew, algorithms: SECRET_ALGORITHMS })
    const asymmetric = { ...options, ...skew, algorithms: KEY_SET_ALGORITHMS }
    try {
      return await jose.jwtVerify(token, keys.find, asymmetric)
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSMultipleMatchingKeys)) throw error
      for await (const key of error) {
        const verified = await jose.jwtVerify(token, key, asymmetric).catch(unlessOfAnotherKey)
        if (verified) return verified
      }
      throw error
    }
  }
  const unlessOfAnotherKey = (error: unknown): undefined => {
    if (!(error instanceof jose.errors.JWSSignatureVerificationFailed)) throw error
  }
  // Only for `nbf`: a token whose time is over has rights of its own, from that moment on.
  const unlessEarly = (error: unknown): boolean =>
    error instanceof jose.errors.JWTClaimValidationFailed && error.claim === 'nbf'
  return async (token) => {
    try {
      const verified = await verify(token, {}).catch((error: unknown) => {
        if (!unlessEarly(error)) throw error
        return verify(token, { clockTolerance: SKEW_S })
      })
      return userOf(verified)
    } catch (error) {
      if (error instanceof UploadError) throw error
      // The signature, issuer, audience and subject were right: jose looks at the time last.
      if (error instanceof jose.errors.JWTExpired && error.claim === 'exp')
        return userOf(error, { finishedSince: new Date(tools.now() - expireAfterMs).toISOString() })
      throw new UploadError('token_invalid', { cause: error })
    }
  }
}

/** The document in the form that jose checks. Throws where it is not an object with a list. */
function keySetOf(document: unknown): { keys: object[] } {
  if (typeof document !== 'object' || document === null || !('keys' in document))
    throw new Error('the document is no JSON Web Key Set')
  const { keys } = document
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'object' && key !== null))
    throw new Error('the document is no JSON Web Key Set')
  return { keys }
}

/** Whose a verified token is. Throws token_invalid where its subject can be no owner. */
function userOf(verified: unknown, lapsed: { finishedSince: string } | null = null): Principal {
  const claims = claimsOf(verified)
  const owner = typeof claims.sub === 'string' ? claims.sub : undefined
  if (owner === undefined || !OWNER.test(owner))
    throw new UploadError('token_invalid', { detail: 'its sub is no text of 1 to 256 characters' })
  return { kind: 'user', owner, lapsed, expiresAt: typeof claims.exp === 'number' ? claims.exp : null }
}

function claimsOf(verified: unknown): { readonly sub?: unknown; readonly exp?: unknown } {
  if (typeof verified !== 'object' || verified === null || !('payload' in verified)) return {}
  const { payload } = verified
  return typeof payload === 'object' && payload !== null ? payload : {}
}
