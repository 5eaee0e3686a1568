import type { IncomingMessage } from 'node:http'
import { asUploadError, UploadError } from '../../errors.js'
import { ADMIN, ANONYMOUS, mayAccess, type Principal } from '../../model/principal.js'
import type { Asked, Gate } from '../gate.js'
import { AdminDoor, type AdminSettings } from './admin-door.js'
import { bearerOf } from './bearer.js'
import { checkPermission, isOfLists } from './permission.js'
import { type SignedParts, SignedTokens, signedIn } from './signed-tokens.js'
import { createTokenCheck, type TokenCheck, type TokenSettings, type TokenTools } from './token-check.js'

/** Addresses of one upload, which its owner may use; but for lists, all others below /api are the admin's. */
const OF_ONE_UPLOAD = /^\/api\/uploads\//

interface GateParts {
  readonly admin: AdminDoor
  /** Undefined where no tokens are asked for. */
  readonly checkToken: TokenCheck | undefined
  readonly signedTokens: SignedTokens
  readonly log: { info(fields: object, message: string): void }
}

/** The gate: who is asking is decided by a token, by the admin key, or by nothing where the settings ask for nothing. */
export class KeyedGate implements Gate {
  readonly mayAccess = mayAccess
  readonly #parts: GateParts

  constructor(parts: GateParts) {
    this.#parts = parts
  }

  /** See Gate. Without a token it answers at once, so that a server without keys is not slower by it. */
  identify(request: IncomingMessage, asked: Asked): Principal | Promise<Principal> {
    const { admin, checkToken } = this.#parts
    const audience = audienceOf(asked)
    if (audience === 'everybody') return ANONYMOUS
    const token = bearerOf(request)
    const signed = audience === 'admin' ? undefined : signedIn(token, asked, !checkToken)
    if (signed) return this.#verified(() => this.#parts.signedTokens.check(signed, asked), asked)
    if (audience === 'owner' && token === undefined && !checkToken) return ANONYMOUS
    try {
      // Whoever may have a token is asked for that.
      if (audience === 'own' && checkToken && token === undefined)
        return admin.enterOr(request, 'token_missing')
      if (audience === 'admin' || (audience === 'own' && !checkToken)) return admin.enter(request, token)
      if (token === undefined) throw new UploadError('token_missing')
      if (admin.isKey(token)) return ADMIN
    } catch (error) {
      throw this.#refused(error, asked)
    }
    admin.noteRefusal(request, token)
    return checkToken ? this.#verified(() => checkToken(token), asked) : ANONYMOUS
  }

  async #verified(check: () => Promise<Principal>, asked: Asked): Promise<Principal> {
    try {
      const principal = await check()
      checkPermission(principal, asked)
      return principal
    } catch (error) {
      throw this.#refused(error, asked)
    }
  }

  /** Logs why a request is refused, without the token. */
  #refused(thrown: unknown, { method, path }: Asked): UploadError {
    const error = asUploadError(thrown)
    const { code, detail, cause } = error
    const reason = { detail, cause: cause === undefined ? undefined : String(cause) }
    this.#parts.log.info({ method, path, code, ...reason }, 'request refused')
    // A client that sees HEAD fail with 5xx begins again at byte 0. One that gets 423 asks again at the same address.
    return method === 'HEAD' && error.status >= 500
      ? new UploadError('upload_locked', { cause: error })
      : error
  }
}

export type GateTools = TokenTools & Pick<GateParts, 'log'> & Omit<SignedParts, 'expireAfterMs'>

/** Builds the gate of these settings. */
export async function createGate(settings: AdminSettings & TokenSettings, tools: GateTools): Promise<Gate> {
  return new KeyedGate({
    admin: new AdminDoor(settings, tools.monotonic),
    checkToken: await createTokenCheck(settings, tools),
    signedTokens: new SignedTokens({ ...tools, expireAfterMs: settings.expireAfterMs }),
    log: tools.log,
  })
}

/**
 * Whom an address is for. `own`: for the admin, and for whoever has a token or a grant, who sees what is their own. An
 * address that is new below /api is the admin's until this says otherwise.
 */
function audienceOf({ isUploads, path, method }: Asked): 'owner' | 'own' | 'admin' | 'everybody' {
  if (isUploads) return 'owner'
  // Whoever has the address of an upload without an owner may read its record, and no more.
  if (OF_ONE_UPLOAD.test(path)) return method === 'DELETE' ? 'own' : 'owner'
  if (isOfLists(path)) return 'own'
  return path === '/metrics' || path === '/api' || path.startsWith('/api/') ? 'admin' : 'everybody'
}
