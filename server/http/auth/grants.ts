import { randomBytes } from 'node:crypto'
import * as v from 'valibot'
import { UploadError } from '../../errors.js'
import type { Grant } from '../../model/grant.js'
import type { Signer } from './signer.js'

const PREFIX = 'lg_'
const DAY_S = 86_400
/** Tokens stand in headers and in URLs. */
const MOST_TOKEN_LENGTH = 4_096

const positive = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most))
const noControls = (most: number) =>
  v.pipe(v.string(), v.regex(new RegExp(`^[^\\p{Cc}\\p{Cs}]{0,${most}}$`, 'u')))
const type = v.pipe(v.string(), v.regex(/^(\*\/\*|[a-z0-9][\w!#$&^.+-]*\/(\*|[a-z0-9][\w!#$&^.+-]*))$/))

/** The body of `POST /api/grants`. */
const AskedGrant = v.strictObject({
  maxSize: v.optional(v.nullable(positive(Number.MAX_SAFE_INTEGER)), null),
  accept: v.optional(v.nullable(v.pipe(v.array(type), v.minLength(1), v.maxLength(100))), null),
  count: v.optional(v.nullable(positive(1_000)), null),
  /** Seconds. */
  expiresIn: v.optional(positive(365 * DAY_S), DAY_S),
  owner: v.optional(v.nullable(v.pipe(noControls(256), v.minLength(1))), null),
  metadata: v.optional(v.record(v.pipe(v.string(), v.regex(/^[!-+\--~]{1,100}$/)), noControls(1_000)), {}),
})

const SignedGrant = v.object({
  id: v.string(),
  expiresAt: v.number(),
  maxSize: v.nullable(v.number()),
  accept: v.nullable(v.array(v.string())),
  count: v.nullable(v.number()),
  owner: v.nullable(v.string()),
  metadata: v.record(v.string(), v.string()),
})

/** Tells whether a token has the form of a grant's. */
export function isGrantToken(token: string): boolean {
  return token.startsWith(PREFIX)
}

function partsOf(token: string): { text: string; signature: string; isWhole: boolean } {
  const [text = '', signature = '', ...more] = token.slice(PREFIX.length).split('.')
  return { text, signature, isWhole: isGrantToken(token) && more.length === 0 }
}

/** Makes and verifies the tokens of grants. The token is the grant; only how often it was used is kept. */
export class Grants {
  readonly #signer: Signer
  readonly #now: () => number

  /** `now` gives milliseconds since 1970. */
  constructor(signer: Signer, now: () => number) {
    this.#signer = signer
    this.#now = now
  }

  /** Makes a grant as it was asked for. Rejects with body_invalid, and with the disk's error. */
  async make(asked: unknown): Promise<{ token: string; grant: Grant }> {
    const parsed = v.safeParse(AskedGrant, asked)
    if (!parsed.success)
      throw new UploadError('body_invalid', { detail: v.flatten(parsed.issues).root?.[0] ?? '' })
    const { expiresIn, ...limits } = parsed.output
    const expiresAt = Math.floor(this.#now() / 1000) + expiresIn
    const grant = { id: randomBytes(16).toString('hex'), expiresAt, ...limits }
    const text = Buffer.from(JSON.stringify(grant)).toString('base64url')
    const token = `${PREFIX}${text}.${(await this.#signer.for('grant'))(text)}`
    if (token.length > MOST_TOKEN_LENGTH)
      throw new UploadError('body_invalid', { detail: 'the token is too long' })
    return { token, grant }
  }

  /** The grant of a token, also where its time is over. Rejects with token_invalid, and with the disk's error. */
  async read(token: string): Promise<Grant> {
    if (!(await this.isSigned(token))) throw new UploadError('token_invalid', { detail: 'a grant' })
    const { text } = partsOf(token)
    return v.parse(SignedGrant, JSON.parse(Buffer.from(text, 'base64url').toString()))
  }

  /** Tells whether a token is a grant that this server has made. Rejects with the disk's error. */
  async isSigned(token: string): Promise<boolean> {
    const { text, signature, isWhole } = partsOf(token)
    return isWhole && (await this.#signer.isSigned('grant', text, signature))
  }

  /** Tells whether a grant's time is over. */
  isOver({ expiresAt }: Grant): boolean {
    return this.#now() >= expiresAt * 1000
  }
}
