import type { JWTVerifyGetKey } from 'jose'
import { UploadError } from '../../errors.js'

/** Keys are loaded again when they are older; the old ones count until then. */
const FRESH_MS = 10 * 60_000
/** For a token whose key is not known, the keys are loaded again at most this often. */
const ASK_EVERY_MS = 5_000

export interface KeySetTools {
  /** Loads the JSON Web Key Set and makes a function of it that finds the key of a token. */
  readonly load: () => Promise<JWTVerifyGetKey>
  /** Milliseconds of a monotonic clock. */
  readonly monotonic: () => number
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * The public keys of whoever signs tokens. They are loaded with the first token and kept; while they cannot be loaded,
 * known keys go on to count.
 */
export class KeySet {
  readonly #tools: KeySetTools
  #find: JWTVerifyGetKey | undefined
  #loading: Promise<JWTVerifyGetKey> | undefined
  #loadedAtMs = -Infinity
  /** When the keys were last asked for because a token had an unknown one, or because they were not there. */
  #askedAtMs = -Infinity
  #hasFailed = false

  constructor(tools: KeySetTools) {
    this.#tools = tools
  }

  /** Finds the key of a token. Rejects with auth_unavailable where keys are to be loaded and cannot be. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (!this.#find) return (await this.#ask())(header, token)
    if (this.#tools.monotonic() - this.#loadedAtMs > FRESH_MS && this.#mayAsk())
      // Nobody waits for it, and what fails is logged.
      this.#ask().catch(() => {})
    try {
      return await this.#find(header, token)
    } catch (error) {
      if (!isUnknownKey(error) || (!this.#mayAsk() && !this.#hasFailed)) throw error
      return (await this.#ask())(header, token)
    }
  }

  #mayAsk(): boolean {
    return this.#loading !== undefined || this.#tools.monotonic() - this.#askedAtMs >= ASK_EVERY_MS
  }

  #ask(): Promise<JWTVerifyGetKey> {
    if (this.#loading) return this.#loading
    if (!this.#mayAsk())
      return Promise.reject(new UploadError('auth_unavailable', { detail: 'asked before' }))
    const isFirst = !this.#find
    this.#loading = this.#load().finally(() => {
      this.#loading = undefined
      // The first load does not count, so that a key that is new by then is found at once.
      if (!isFirst || this.#hasFailed) this.#askedAtMs = this.#tools.monotonic()
    })
    return this.#loading
  }

  async #load(): Promise<JWTVerifyGetKey> {
    try {
      this.#find = await this.#tools.load()
      this.#loadedAtMs = this.#tools.monotonic()
      this.#hasFailed = false
      return this.#find
    } catch (error) {
      this.#hasFailed = true
      this.#tools.log.warn({ err: error }, 'the keys that verify tokens could not be loaded')
      throw new UploadError('auth_unavailable', { cause: error })
    }
  }
}

function isUnknownKey(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_JWKS_NO_MATCHING_KEY'
}
