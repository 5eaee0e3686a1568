import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { storedFile } from '../helpers/proof.js'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import { type TestAnswer, type TestServer, tus } from '../helpers/server.js'
import { bodyHeaders, VERSION } from '../helpers/wire.js'

/** A PATCH as a story asks for it. */
export interface PatchWanted {
  readonly offset: number
  readonly bytes: number
  readonly chunked: boolean
  /** Upload-Length. */
  readonly declares?: number
  /** Of the body, only so many bytes are sent. */
  readonly only?: number
  /** Bytes behind the body, which are no request. */
  readonly extra?: boolean
}

/** One upload as it must be, beside the real one. */
export class ModelUpload {
  readonly path: string
  readonly #content: Buffer
  length: number | null
  offset = 0
  gone = false

  constructor(path: string, content: Buffer, length: number | null) {
    this.path = path
    this.#content = content
    this.length = length
  }

  get finished(): boolean {
    return !this.gone && this.offset === this.length
  }

  /** Bytes that may still come; of a deferred upload, `most` decides. */
  room(most: number): number {
    return Math.min(most, (this.length ?? this.#content.length) - this.offset)
  }

  /** Opens a connection and sends a PATCH, or a part of it. */
  async send(server: TestServer, wanted: PatchWanted): Promise<RawConnection> {
    const { offset, bytes, chunked, declares, only = bytes, extra = false } = wanted
    const connection = await RawConnection.open(server.port)
    await connection.head(`PATCH ${this.path}`, [
      VERSION,
      `Upload-Offset: ${offset}`,
      ...(declares === undefined ? [] : [`Upload-Length: ${declares}`]),
      ...bodyHeaders(chunked ? null : bytes),
    ])
    const body = this.#bytes(offset, only)
    const parts = chunked ? inChunks(body, only === bytes) : [body]
    for (const part of [...parts, ...(extra ? [Buffer.from('no request\r\n\r\n')] : [])]) {
      // A part of a cut body may never be taken; nothing waits for it.
      void connection.write(part)
    }
    return connection
  }

  /** Sends a whole PATCH and resolves with its answer. */
  async patch(server: TestServer, wanted: PatchWanted): Promise<RawAnswer> {
    const connection = await this.send(server, wanted)
    try {
      return await connection.answer()
    } finally {
      connection.socket.destroy()
    }
  }

  /** Notes that bytes were stored, and holds the answer against that. */
  stored(answer: RawAnswer, bytes: number): void {
    this.offset += bytes
    answered(answer, 204)
    const { headers } = answer
    same(headers.get('upload-offset'), `${this.offset}`, 'the offset in the answer')
    same(headers.get('repr-digest'), this.finished ? this.#reprDigest() : undefined, 'its digest')
  }

  /** Takes over the offset of a request whose end nobody could foresee; it lies between the two. */
  async settle(server: TestServer, least: number, most: number): Promise<void> {
    const { headers } = await tus.head(server, this.path)
    const offset = Number(headers['upload-offset'])
    assert.ok(offset >= least && offset <= most, `HEAD says ${offset}, not ${least} to ${most}`)
    this.offset = offset
  }

  /** Holds everything that can be seen of the real upload against the model. */
  async check(server: TestServer): Promise<void> {
    const answer = await tus.head(server, this.path)
    const file = storedFile(server, this.path)
    if (this.gone) {
      answered(answer, 404)
      assert.not(existsSync(file) || existsSync(`${file}.json`), 'files of an upload that is gone')
      return
    }
    answered(answer, 200)
    this.#checkHead(answer)
    same(statSync(file).size, this.offset, 'the size of the file')
  }

  /** Holds every stored byte against what was sent. */
  checkBytes(server: TestServer): void {
    const stored = readFileSync(storedFile(server, this.path))
    assert.ok(stored.equals(this.#content.subarray(0, this.offset)), 'the bytes of the file')
  }

  #checkHead({ headers }: TestAnswer): void {
    same(headers['upload-offset'], `${this.offset}`, 'the offset of HEAD')
    same(headers['upload-length'], this.length === null ? undefined : `${this.length}`, 'its length')
    same(headers['upload-defer-length'], this.length === null ? '1' : undefined, 'the deferral of HEAD')
    same(headers['repr-digest'], this.finished ? this.#reprDigest() : undefined, 'its digest')
  }

  #reprDigest(): string {
    const hash = createHash('sha256').update(this.#content.subarray(0, this.offset))
    return `sha-256=:${hash.digest('base64')}:`
  }

  /** What belongs at `offset`; behind the content, zeros that no upload has room for. */
  #bytes(offset: number, bytes: number): Buffer {
    const part = this.#content.subarray(Math.max(0, offset), Math.max(0, offset) + bytes)
    return Buffer.concat([part, Buffer.alloc(bytes - part.length)])
  }
}

/** Holds a status against the one it must be. */
export function answered(answer: { readonly status: number; readonly text: string }, status: number): void {
  same(answer.status, status, `the answer (${answer.text.trim()})`)
}

/** The values stand in the message, because fast-check shows nothing else of a failure. */
function same(value: unknown, expected: unknown, what: string): void {
  assert.is(value, expected, `${what} is ${value}, not ${expected}`)
}

/** A chunked body, in up to three chunks. */
function inChunks(body: Buffer, whole: boolean): Buffer[] {
  const third = Math.max(1, Math.ceil(body.length / 3))
  const parts: Buffer[] = []
  for (let at = 0; at < body.length; at += third) {
    const part = body.subarray(at, at + third)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'))
  }
  return whole ? [...parts, Buffer.from('0\r\n\r\n')] : parts
}
