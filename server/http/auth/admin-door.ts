import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type ErrorCode, UploadError } from '../../errors.js'
import { ADMIN, type Principal } from '../../model/principal.js'
import { clientOf, isOwnMachine } from '../origin.js'
import { RefusalLimit } from './refusal-limit.js'

export interface AdminSettings {
  readonly adminKey: string | null
  readonly behindProxy: boolean
}

/** Decides who is the admin: whoever has the key; without a key, whoever asks from the machine itself. */
export class AdminDoor {
  readonly #keyHash: Buffer | undefined
  readonly #behindProxy: boolean
  readonly #refusals: RefusalLimit

  /** `monotonic` gives milliseconds of a monotonic clock. */
  constructor({ adminKey, behindProxy }: AdminSettings, monotonic: () => number) {
    this.#keyHash = adminKey === null ? undefined : hashOf(adminKey)
    this.#behindProxy = behindProxy
    this.#refusals = new RefusalLimit(monotonic)
  }

  /** Tells whether a token is the admin key, which begins in another way than a JSON Web Token. */
  isKey(token: string): boolean {
    if (!this.#keyHash || isWebToken(token)) return false
    // Hashes have one length, so that the comparison takes the same time for every token.
    return timingSafeEqual(hashOf(token), this.#keyHash)
  }

  /** A token was refused, which may have been an attempt to guess the key. */
  noteRefusal(request: IncomingMessage, token: string): void {
    if (!isWebToken(token)) this.#refusals.note(this.#addressOf(request))
  }

  /** The admin, at an address that is only for them. Throws admin_key_needed, admin_only or too_many_refusals. */
  enter(request: IncomingMessage, token: string | undefined): Principal {
    if (!this.#keyHash && isOwnMachine(request)) return ADMIN
    // Also from an address that is refused too often: whoever shares it would lock the admin out.
    if (token !== undefined && this.isKey(token)) return ADMIN
    if (this.#refusals.isOver(this.#addressOf(request))) throw new UploadError('too_many_refusals')
    this.#refusals.note(this.#addressOf(request))
    throw new UploadError(this.#keyHash ? 'admin_key_needed' : 'admin_only')
  }

  /** The admin, where the machine itself asks a server without a key. Throws `code` for others, who have sent nothing. */
  enterOr(request: IncomingMessage, code: ErrorCode): Principal {
    if (!this.#keyHash && isOwnMachine(request)) return ADMIN
    throw new UploadError(code)
  }

  #addressOf(request: IncomingMessage): string {
    return clientOf(request, this.#behindProxy)
  }
}

/** The head of every JSON Web Token is an object, and `{"` is `eyJ` in Base64. */
function isWebToken(token: string): boolean {
  return token.startsWith('eyJ')
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
