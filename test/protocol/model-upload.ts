import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { type RawAnswer, RawConnection } from '../helpers/raw.js'
import { eventually, idOf, send, type TestAnswer, tus } from '../helpers/server.js'
import { bodyHeaders, VERSION } from '../helpers/wire.js'
import { checksumValue, type Fault, type Framing, malformedValue, otherBody } from './model-checksum.js'
import type { ModelPlace } from './model-server.js'

/** A PATCH as a story asks for it. */
export interface PatchWanted {
  readonly offset: number
  readonly bytes: number
  readonly framing: Framing
  /** Upload-Length. */
  readonly declares?: number
  /** The checksum is not that of the body. */
  readonly fault?: Fault
  /** The checksum is a malformed value. */
  readonly malformed?: number
  /** Of the body, only so many bytes are sent, and no end of chunks. */
  readonly only?: number
  /** Bytes behind the body, which are no request. */
  readonly extra?: boolean
}

/** What an upload is when it is made. */
interface Made {
  /** Null for a deferred one. */
  readonly length: number | null
  readonly partial: boolean
}

/** The type of all content: zeros, then what looks like nothing. */
const TYPE = 'application/octet-stream'

/** One upload as it must be, beside the real one. */
export class ModelUpload {
  readonly path: string
  readonly #content: Buffer
  readonly #partial: boolean
  length: number | null
  offset = 0
  gone = false

  constructor(path: string, content: Buffer, { length, partial }: Made) {
    this.path = path
    this.#content = content
    this.#partial = partial
    this.length = length
  }

  /** It has all its bytes. */
  get whole(): boolean {
    return !this.gone && this.offset === this.length
  }

  /** It is a file; a partial upload is none (tus 1.0.0, concatenation). */
  get finished(): boolean {
    return this.whole && !this.#partial
  }

  /** The bytes that are stored. */
  get stored(): Buffer {
    return this.#content.subarray(0, this.offset)
  }

  /** Bytes that may still come; of a deferred upload, `most` decides. */
  room(most: number): number {
    return Math.min(most, (this.length ?? this.#content.length) - this.offset)
  }

  /** Opens a connection and sends a PATCH, or a part of it. */
  async send(server: ModelPlace, wanted: PatchWanted): Promise<RawConnection> {
    const { offset, bytes, framing, declares, only, extra = false } = wanted
    const { chunked, sum } = framing
    const body = this.#bytes(offset, bytes)
    const value = checksumOf(wanted, body)
    const place = sum?.place ?? 'header'
    const checksum = value === undefined ? [] : [`Upload-Checksum: ${value}`]
    const connection = await RawConnection.open(server.port)
    await connection.head(`PATCH ${this.path}`, [
      VERSION,
      `Upload-Offset: ${offset}`,
      ...(declares === undefined ? [] : [`Upload-Length: ${declares}`]),
      ...{ header: checksum, announced: ['Trailer: Upload-Checksum'], trailer: [] }[place],
      ...bodyHeaders(chunked ? null : bytes),
    ])
    const trailer = place === 'header' ? '' : checksum.map((line) => `${line}\r\n`).join('')
    const sent = (wanted.fault === 'body' ? otherBody(body) : body).subarray(0, only)
    const end = only === undefined ? Buffer.from(`0\r\n${trailer}\r\n`) : Buffer.alloc(0)
    const parts = chunked ? [...inChunks(sent), end] : [sent]
    for (const part of [...parts, ...(extra ? [Buffer.from('no request\r\n\r\n')] : [])]) {
      // A part of a cut body may never be taken; nothing waits for it.
      void connection.write(part)
    }
    return connection
  }

  /** Sends a whole PATCH and resolves with its answer. */
  async patch(server: ModelPlace, wanted: PatchWanted): Promise<RawAnswer> {
    const connection = await this.send(server, wanted)
    try {
      return await connection.answer()
    } finally {
      connection.socket.destroy()
    }
  }

  /** Notes that bytes were stored, and holds the answer against that. */
  took(answer: RawAnswer, bytes: number): void {
    this.offset += bytes
    answered(answer, 204)
    const { headers } = answer
    same(headers.get('upload-offset'), `${this.offset}`, 'the offset in the answer')
    same(headers.get('repr-digest'), this.finished ? this.#reprDigest() : undefined, 'its digest')
  }

  /** Resolves when bytes behind the offset have come: those of a request that still runs. */
  async arrived(server: ModelPlace): Promise<void> {
    await eventually(30_000, 'a byte of the request', async () =>
      (await server.stored.arrivedOf(this.path)) > this.offset ? true : undefined,
    )
  }

  /** Takes over the offset of a request whose end nobody could foresee; it lies between the two. */
  async settle(server: ModelPlace, least: number, most: number): Promise<void> {
    const { headers } = await tus.head(server, this.path)
    const offset = Number(headers['upload-offset'])
    assert.ok(offset >= least && offset <= most, `HEAD says ${offset}, not ${least} to ${most}`)
    this.offset = offset
  }

  /** Fails where the offset is none of these. */
  isOneOf(...offsets: readonly number[]): void {
    assert.ok(offsets.includes(this.offset), `the offset is ${this.offset}, none of ${offsets}`)
  }

  /** Holds everything that can be seen of the real upload against the model. */
  async check(server: ModelPlace): Promise<void> {
    const answer = await tus.head(server, this.path)
    if (this.gone) {
      answered(answer, 404)
      // A part that was deleted right after a start goes once it is known that no final upload needs it.
      await eventually(30_000, 'the end of what is stored of an upload that is gone', async () =>
        (await server.stored.has(this.path)) ? undefined : true,
      )
      return
    }
    answered(answer, 200)
    this.#checkHead(answer)
    same(await server.stored.bytesOf(this.path), this.offset, 'the size of what is stored')
    await this.#checkRecord(server)
    if (this.finished) return
    const download = await send(server.origin, { method: 'GET', path: this.path })
    same(download.status, 404, 'the download of what is no file')
  }

  /** Holds every stored byte against what was sent. */
  async checkBytes(server: ModelPlace): Promise<void> {
    const stored = await server.stored.contentOf(this.path)
    assert.ok(stored.equals(this.stored), 'the bytes of the file')
  }

  #checkHead({ headers }: TestAnswer): void {
    same(headers['upload-offset'], `${this.offset}`, 'the offset of HEAD')
    same(headers['upload-length'], this.length === null ? undefined : `${this.length}`, 'its length')
    same(headers['upload-defer-length'], this.length === null ? '1' : undefined, 'the deferral of HEAD')
    same(headers['upload-concat'], this.#partial ? 'partial' : undefined, 'its concatenation')
    same(headers['repr-digest'], this.finished ? this.#reprDigest() : undefined, 'its digest')
  }

  /** Progress and type; a type that was seen in bytes that do not count must not stay. */
  async #checkRecord(server: ModelPlace): Promise<void> {
    const seen = await (server.recordsLag
      ? eventually(30_000, 'the record of what was done on another node', async () => {
          const record = await this.#record(server)
          return record.offset === this.offset && record.length === this.length ? record : undefined
        })
      : this.#record(server))
    same(seen.offset, this.offset, 'the progress')
    same(seen.length, this.length, 'the length of the record')
    if (seen.type !== null || this.finished) same(seen.type, TYPE, 'the type')
  }

  async #record({ origin }: ModelPlace): Promise<{ offset: number; length: number | null; type: unknown }> {
    const answer = await send(origin, { method: 'GET', path: `/api/uploads/${idOf(this.path)}` })
    return JSON.parse(answer.text)
  }

  #reprDigest(): string {
    return reprDigestOfBytes(this.stored)
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

/** Holds a value against the one it must be. They stand in the message: fast-check shows nothing else. */
export function same(value: unknown, expected: unknown, what: string): void {
  assert.is(value, expected, `${what} is ${value}, not ${expected}`)
}

/** RFC 9530's form of the digest of these bytes. */
export function reprDigestOfBytes(bytes: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`
}

/** The value of Upload-Checksum; undefined where it never comes. */
function checksumOf({ framing: { sum }, fault, malformed }: PatchWanted, body: Buffer): string | undefined {
  if (!sum) return undefined
  return malformed === undefined ? checksumValue(sum, body, fault) : malformedValue(malformed, sum, body)
}

/** A chunked body without its last chunk, in up to three chunks. */
function inChunks(body: Buffer): Buffer[] {
  const third = Math.max(1, Math.ceil(body.length / 3))
  const parts: Buffer[] = []
  for (let at = 0; at < body.length; at += third) {
    const part = body.subarray(at, at + third)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'))
  }
  return parts
}
