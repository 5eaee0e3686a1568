import * as assert from 'uvu/assert'
import { joinedHead } from '../helpers/parts.js'
import { eventually, idOf, send, type TestAnswer, tus } from '../helpers/server.js'
import type { ModelPlace } from './model-server.js'
import { answered, type ModelUpload, reprDigestOfBytes, same } from './model-upload.js'

/** A final upload as it must be, beside the real one. */
export class ModelFinal {
  readonly path: string
  /** Upload-Concat. */
  readonly #concat: string
  readonly #parts: readonly ModelUpload[]

  constructor(path: string, concat: string, parts: readonly ModelUpload[]) {
    this.path = path
    this.#concat = concat
    this.#parts = parts
  }

  /** What is known of its length. */
  get length(): number | null {
    return this.#parts.reduce<number | null>(
      (sum, { length }) => (sum === null || length === null ? null : sum + length),
      0,
    )
  }

  /** Holds the answer of its creation against whether it can be joined. */
  made(answer: TestAnswer): void {
    answered(answer, 201)
    this.#checkHeaders(answer, this.#isWhole)
  }

  /** Holds everything that can be seen of the real one against the model; waits until it is joined, where it can be. */
  async check(server: ModelPlace): Promise<void> {
    const joined = this.#isWhole
    const head = joined ? await joinedHead(server, this.path) : await tus.head(server, this.path)
    answered(head, 200)
    same(head.headers['upload-concat'], this.#concat, 'its concatenation')
    this.#checkHeaders(head, joined)
    for (const offset of [0, this.length ?? 1]) {
      answered(await tus.patch(server, this.path, offset, ''), 403)
    }
    const download = await send(server.origin, { method: 'GET', path: this.path })
    same(download.status, joined ? 200 : 404, 'the download')
    if (!joined) return
    assert.ok(download.bytes.equals(this.#bytes), 'the bytes of the download')
    const stored = await server.stored.contentOf(this.path)
    assert.ok(stored.equals(this.#bytes), 'the bytes of the file')
  }

  /** Resolves when its parts are removed. */
  async checkParts(server: ModelPlace): Promise<void> {
    for (const part of this.#parts) {
      await eventually(30_000, 'the end of a part', async () =>
        (await server.stored.has(part.path)) ? undefined : true,
      )
      part.gone = true
      await part.check(server)
    }
  }

  /** A kill between the joining and the removal leaves parts until they expire: looks which are gone. */
  async settleParts(server: ModelPlace): Promise<void> {
    for (const part of this.#parts) part.gone = (await tus.head(server, part.path)).status === 404
  }

  #checkHeaders({ headers }: TestAnswer, joined: boolean): void {
    const length = this.length === null ? undefined : `${this.length}`
    same(headers['upload-length'], length, 'the length of the final upload')
    same(headers['upload-defer-length'], undefined, 'its deferral')
    same(headers['upload-offset'], joined ? length : undefined, 'its offset')
    same(headers['repr-digest'], joined ? reprDigestOfBytes(this.#bytes) : undefined, 'its digest')
  }

  get #isWhole(): boolean {
    return this.length === this.#bytes.length
  }

  get #bytes(): Buffer {
    return Buffer.concat(this.#parts.map(({ stored }) => stored))
  }
}

/** The path of a final upload that is stored; `others` are no candidates, and may be removed meanwhile. */
export async function storedFinal(
  { stored }: ModelPlace,
  concat: string,
  others: readonly ModelUpload[],
): Promise<string | undefined> {
  const known = new Set(others.map(({ path }) => idOf(path)))
  for (const id of await stored.ids()) {
    const path = `/files/${id}`
    if (!known.has(id) && (await stored.sidecarOf(path))?.concat === concat) return path
  }
  return undefined
}
