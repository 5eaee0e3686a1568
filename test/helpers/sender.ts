import { createCipheriv, createHash, type Hash } from 'node:crypto'
import { type RawAnswer, RawConnection } from './raw.js'
import { locationOf, type TestServer, tus } from './server.js'

const PIECE_BYTES = 256 * 1024
const ZEROS = Buffer.alloc(PIECE_BYTES + 16)
/** So many bytes at the start of every file are zero, so that none looks like an executable by chance. */
const QUIET_BYTES = 16
const ANSWER_WITHIN_MS = 120_000

/** Numbers from 0 to 1 that look random and are the same for the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A new seed, or the one in the variable TEST_SEED; printed, so that a failure can be had again. */
export function printedSeed(name: string): number {
  const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`${name}: TEST_SEED=${seed}`)
  return seed
}

/** A file that exists nowhere: any part of it can be read, none of it is kept. */
export class PseudoFile {
  readonly size: number
  readonly #key: Buffer
  #sha256: string | undefined

  constructor(seed: number, size: number) {
    this.size = size
    this.#key = createHash('sha256').update(`${seed}`).digest().subarray(0, 16)
  }

  /** The bytes from `from` on, before `to`; at most 256 KiB of them. */
  read(from: number, to: number): Buffer {
    const counter = Buffer.alloc(16)
    counter.writeBigUInt64BE(BigInt(Math.floor(from / 16)), 8)
    const bytes = Math.min(to - from, PIECE_BYTES)
    const skipped = from % 16
    const cipher = createCipheriv('aes-128-ctr', this.#key, counter)
    const part = cipher.update(ZEROS.subarray(0, skipped + bytes)).subarray(skipped)
    if (from < QUIET_BYTES) part.fill(0, 0, Math.min(bytes, QUIET_BYTES - from))
    return part
  }

  /** The digest of the whole, lower-case hex. */
  sha256(): string {
    this.#sha256 ??= this.#hashed('sha256', 0, this.size).digest('hex')
    return this.#sha256
  }

  /** The header Upload-Checksum for a part of the file, as a line. */
  checksum(algorithm: string, from: number, to: number): string {
    return `Upload-Checksum: ${algorithm} ${this.#hashed(algorithm, from, to).digest('base64')}`
  }

  #hashed(algorithm: string, from: number, to: number): Hash {
    const hash = createHash(algorithm)
    for (let at = from; at < to; at += PIECE_BYTES) hash.update(this.read(at, to))
    return hash
  }
}

/** One PATCH, byte for byte under the test's control. */
export class Patch {
  readonly connection: RawConnection
  /** The answer; undefined where the connection ended without one. */
  readonly answered: Promise<RawAnswer | undefined>
  readonly #file: Pick<PseudoFile, 'size' | 'read'>
  readonly #to: number
  #at: number
  #over = false

  private constructor(
    connection: RawConnection,
    file: Pick<PseudoFile, 'size' | 'read'>,
    from: number,
    to: number,
  ) {
    this.connection = connection
    this.#file = file
    this.#at = from
    this.#to = to
    this.answered = connection
      .answer(ANSWER_WITHIN_MS)
      .catch(() => undefined)
      .finally(() => {
        this.#over = true
      })
  }

  /** Opens a connection and writes the head of a PATCH that declares the bytes from `from` to `to`. */
  static async begin(
    server: Pick<TestServer, 'port'>,
    path: string,
    file: Pick<PseudoFile, 'size' | 'read'>,
    from: number,
    to = file.size,
    headers: readonly string[] = [],
  ): Promise<Patch> {
    const connection = await RawConnection.open(server.port)
    const patch = new Patch(connection, file, from, to)
    await connection.head(`PATCH ${path}`, [...patchHeaders(from, to - from), ...headers])
    return patch
  }

  /** The offset behind the last byte that was given to the system. */
  get at(): number {
    return this.#at
  }

  /** There is an answer, or the connection is gone. */
  get isOver(): boolean {
    return this.#over
  }

  /** Sends on until `until`; ends early when there is an answer or the connection is gone. */
  async send(until = this.#to): Promise<void> {
    while (this.#at < until && !this.#over) {
      const part = this.#file.read(this.#at, until)
      await Promise.race([this.connection.write(part), this.answered])
      this.#at += part.length
    }
  }

  /** Sends the rest and resolves with the answer. */
  async finish(): Promise<RawAnswer | undefined> {
    await this.send()
    const answer = await this.answered
    this.connection.socket.destroy()
    return answer
  }
}

/** The headers of a PATCH with a declared body. */
export function patchHeaders(offset: number, bytes: number): string[] {
  return [
    'Tus-Resumable: 1.0.0',
    'Content-Type: application/offset+octet-stream',
    `Upload-Offset: ${offset}`,
    `Content-Length: ${bytes}`,
  ]
}

/** Creates an upload and gives its path, which outlives the server's port. */
export async function createUpload(server: TestServer, file: Pick<PseudoFile, 'size'>): Promise<string> {
  const metadata = { 'Upload-Metadata': `filename ${Buffer.from('a file.bin').toString('base64')}` }
  return new URL(locationOf(await tus.create(server, file.size, metadata))).pathname
}

/** The offset a HEAD answers with; fails where it does not. */
export async function offsetOf(server: TestServer, path: string): Promise<number> {
  const { status, headers } = await tus.head(server, path)
  const offset = headers['upload-offset']
  if (status !== 200 || typeof offset !== 'string') throw new Error(`HEAD answered ${status}`)
  return Number(offset)
}

/** What a client saw while it brought an upload to its end. */
export interface Resumed {
  readonly statuses: readonly number[]
  /** The offset of each HEAD. */
  readonly offsets: readonly number[]
  /** Repr-Digest of the last answer. */
  readonly digest: string | undefined
}

/** Resumes as clients do: HEAD, then PATCH after PATCH; after one that was not taken, HEAD again. */
export async function resume(
  server: TestServer,
  path: string,
  file: PseudoFile,
  chunkBytes = file.size,
): Promise<Resumed> {
  const statuses: number[] = []
  const offsets: number[] = []
  for (let attempt = 0; attempt < 10; attempt++) {
    let at = await offsetOf(server, path)
    offsets.push(at)
    for (;;) {
      const patch = await Patch.begin(server, path, file, at, Math.min(file.size, at + chunkBytes))
      const answer = await patch.finish()
      statuses.push(answer?.status ?? 0)
      if (answer?.status !== 204) break
      at = Number(answer.headers.get('upload-offset'))
      if (at === file.size) return { statuses, offsets, digest: answer.headers.get('repr-digest') }
    }
  }
  throw new Error(`the upload did not come to its end: ${statuses} from ${offsets}`)
}
