import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'

const KEY_BYTES = 32

/** Signs texts with a key of the server's own, which is made with the first signature and kept in a file. */
export class Signer {
  readonly #path: string
  #key: Promise<Buffer> | undefined

  /** `path` is the file of the key. */
  constructor(path: string) {
    this.#path = path
  }

  /** What signs texts of one purpose: a signature of one is none of another. Rejects with the disk's error. */
  async for(purpose: string): Promise<(text: string) => string> {
    this.#key ??= keyIn(this.#path).catch((error: unknown) => {
      this.#key = undefined
      throw error
    })
    const key = await this.#key
    return (text) => createHmac('sha256', key).update(`${purpose}\n${text}`).digest('base64url')
  }

  /** Tells whether a signature is that of a text, in a time that does not depend on it. Rejects with the disk's error. */
  async isSigned(purpose: string, text: string, signature: string): Promise<boolean> {
    const own = Buffer.from((await this.for(purpose))(text))
    const given = Buffer.from(signature)
    return own.length === given.length && timingSafeEqual(own, given)
  }
}

/** The key in a file, which only its owner may read; it is made where there is none. Rejects with the disk's error. */
async function keyIn(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      const key = randomBytes(KEY_BYTES)
      await file.writeFile(`${key.toString('hex')}\n`)
      await file.sync()
      return key
    } finally {
      await file.close()
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'hex')
    if (key.length !== KEY_BYTES) throw new Error(`the file of the server's key has ${key.length} bytes`)
    return key
  }
}
