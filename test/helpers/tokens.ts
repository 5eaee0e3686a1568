import { createServer, type RequestListener, type Server } from 'node:http'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

/** The secret of servers that are started with SECRET_FLAGS. */
export const SECRET = 'a secret of the tests, long enough'.replaceAll(' ', '-')
export const SECRET_FLAGS: readonly string[] = ['--auth-secret', SECRET]

/** A key of 20 characters. */
export const ADMIN_KEY = 'the-admins-own-key.1'
export const ADMIN_FLAGS: readonly string[] = ['--admin-key', ADMIN_KEY]

export const bearer = (token: string): { Authorization: string } => ({ Authorization: `Bearer ${token}` })
export const AS_ADMIN = bearer(ADMIN_KEY)

/** A time some seconds from now, as tokens have it. */
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds

/** A token of HS256 that is signed with SECRET unless another one is given. */
export function signed(claims: JWTPayload, secret = SECRET, algorithm = 'HS256'): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(new TextEncoder().encode(secret))
}

/** The header of a request that `sub` makes with a token of one hour. */
export async function as(sub: string): Promise<{ Authorization: string }> {
  return bearer(await signed({ sub, exp: inSeconds(3_600) }))
}

/** The header of a request of `sub` whose token is over. */
export async function lapsed(sub: string): Promise<{ Authorization: string }> {
  return bearer(await signed({ sub, exp: inSeconds(-60) }))
}

/** Unsigned or wrongly signed: the three parts of a token as they are given. */
export function joined(header: object, claims: object, signature = ''): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part(claims)}.${signature}`
}

export interface TestKey {
  readonly kid: string
  readonly publicJwk: JWK
  /** Names the key by another id where one is given, and not at all by ''. */
  sign(claims: JWTPayload, kid?: string): Promise<string>
}

/** A pair of keys for one algorithm. */
export async function newKey(kid: string, algorithm = 'ES256'): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return {
    kid,
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm },
    sign: (claims, named = kid) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: algorithm, ...(named === '' ? {} : { kid: named }) })
        .sign(privateKey),
  }
}

/** A server of key sets whose answer a test can change. */
export class KeyServer {
  readonly #server: Server
  asked = 0
  answer: RequestListener

  private constructor(answer: RequestListener) {
    this.answer = answer
    this.#server = createServer((request, response) => {
      this.asked += 1
      this.answer(request, response)
    })
  }

  static async start(...keys: readonly JWK[]): Promise<KeyServer> {
    const server = new KeyServer(() => {})
    server.show(...keys)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve))
    return server
  }

  get url(): string {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the key server is closed')
    return `http://127.0.0.1:${address.port}/jwks.json`
  }

  /** From now on the set has these keys. */
  show(...keys: readonly JWK[]): void {
    this.answer = (_request, response) => {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ keys }))
    }
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
