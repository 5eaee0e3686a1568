import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Once } from '../../model/once.js'
import type { Sql } from '../../model/sql.js'
import { readIfThere, replaceFile } from './small-file.js'

const KEY_BYTES = 32

/**
 * Signs texts with a key of the server's own, which is made with the first signature and kept in a file. Nodes that share
 * their uploads have one key, in PostgreSQL.
 */
export class Signer {
  readonly #path: string
  readonly #sql: () => Sql | undefined
  readonly #key = new Once(() => this.#load())

  /** `path` is the file of the key; `sql`, which is asked with the first signature, where nodes share theirs. */
  constructor(path: string, sql: () => Sql | undefined = () => undefined) {
    this.#path = path
    this.#sql = sql
  }

  /**
   * What signs texts of one purpose: a signature of one is none of another. Rejects with the disk's error, and with
   * storage_unavailable.
   */
  async for(purpose: string): Promise<(text: string) => string> {
    const key = await this.#key.done()
    return (text) => createHmac('sha256', key).update(`${purpose}\n${text}`).digest('base64url')
  }

  /** Tells whether a signature is that of a text, in a time that does not depend on it. Rejects as `for` does. */
  async isSigned(purpose: string, text: string, signature: string): Promise<boolean> {
    const own = Buffer.from((await this.for(purpose))(text))
    const given = Buffer.from(signature)
    return own.length === given.length && timingSafeEqual(own, given)
  }

  async #load(): Promise<Buffer> {
    const sql = this.#sql()
    if (!sql) return keyIn(this.#path)
    const { sharedKey } = await import('./shared-key.js')
    // What this node has signed alone stays valid where it is the first one of many.
    return asKey(await sharedKey(sql, async () => (await keyIn(this.#path)).toString('hex')))
  }
}

/** The key in a file; it is made where there is none. An empty file has signed nothing. Rejects with the disk's error. */
async function keyIn(path: string): Promise<Buffer> {
  const text = (await readIfThere(path)) ?? ''
  if (text === '') return makeKey(path)
  return asKey(text)
}

function asKey(text: string): Buffer {
  const key = Buffer.from(text.trim(), 'hex')
  if (key.length !== KEY_BYTES) throw new Error(`the server's key has ${key.length} bytes`)
  return key
}

/** Makes a key in a file that only its owner may read. */
async function makeKey(path: string): Promise<Buffer> {
  const key = randomBytes(KEY_BYTES)
  await replaceFile(path, `${key.toString('hex')}\n`, 0o600)
  return key
}
