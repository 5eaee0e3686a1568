import * as v from 'valibot'
import { Refusal } from './refusal.js'

const Text = v.nullable(v.string())

const UploadRow = v.object({
  id: v.string(),
  state: v.string(),
  filename: Text,
  type: Text,
  length: v.nullable(v.number()),
  offset: v.number(),
  sha256: Text,
  metadata: v.optional(Text, null),
  reason: v.optional(Text, null),
  owner: v.optional(Text, null),
  createdAt: v.string(),
  finishedAt: Text,
  bytesPerSecond: v.optional(v.number(), 0),
})
/** An upload as the server shows it. */
export type UploadRow = v.InferOutput<typeof UploadRow>

const Listing = v.object({
  uploads: v.array(UploadRow),
  cursor: Text,
  total: v.optional(v.number()),
})
export type Listing = v.InferOutput<typeof Listing>

const Active = v.object({
  id: v.string(),
  filename: Text,
  length: v.nullable(v.number()),
  offset: v.number(),
  bytesPerSecond: v.number(),
})
/** An upload that has a slot. */
export type Active = v.InferOutput<typeof Active>

/** What this server knows of the other nodes. */
const Cluster = v.object({
  nodes: v.nullable(v.array(v.unknown())),
  slots: v.nullable(v.object({ taken: v.nullable(v.number()), limit: v.number() })),
  active: v.array(Active),
})

const Status = v.object({
  version: v.string(),
  cluster: v.optional(v.nullable(Cluster), null),
  slots: v.object({ taken: v.number(), limit: v.number(), waiting: v.number() }),
  disk: v.object({ freeBytes: v.number() }),
  active: v.array(Active),
})
export type Status = v.InferOutput<typeof Status>

const Link = v.object({ url: v.string(), expiresAt: v.string() })
const DropLink = v.object({ dropUrl: v.string(), expiresAt: v.string() })

/** The terms of a grant, as `POST /api/grants` takes them. */
export interface GrantTerms {
  readonly maxSize?: number
  readonly accept?: readonly string[]
  readonly count?: number
  readonly owner?: string
  readonly expiresIn: number
}

/** The server's API. Every method rejects with a Refusal, or with a TypeError where the server cannot be reached. */
export class Api {
  readonly #root: URL
  readonly #key: () => string | null

  /** `root` is the address of the page; `key` gives the key or token to send. */
  constructor(root: URL, key: () => string | null) {
    this.#root = root
    this.#key = key
  }

  /** The headers that say who is asking. */
  headers(): Record<string, string> {
    const key = this.#key()
    // A browser would not send a header with other characters, and nobody would hear that the key is wrong.
    return key === null ? {} : { Authorization: `Bearer ${key.replaceAll(/[^ -~]/g, '?')}` }
  }

  async list(query: URLSearchParams, signal: AbortSignal): Promise<Listing> {
    return v.parse(Listing, await this.#json('GET', `api/uploads?${query}`, { signal }))
  }

  async status(): Promise<Status> {
    return v.parse(Status, await this.#json('GET', 'api/status'))
  }

  async upload(id: string): Promise<UploadRow> {
    return v.parse(UploadRow, await this.#json('GET', `api/uploads/${encodeURIComponent(id)}`))
  }

  async remove(id: string): Promise<void> {
    await this.#ask('DELETE', `api/uploads/${encodeURIComponent(id)}`)
  }

  /** A signed link to a finished upload, for so many seconds. */
  async link(id: string, expiresIn: number): Promise<{ url: string; expiresAt: string }> {
    const path = `api/uploads/${encodeURIComponent(id)}/links`
    const { url, expiresAt } = v.parse(Link, await this.#json('POST', path, { expiresIn }))
    return { url: this.#here(url), expiresAt }
  }

  async dropLink(terms: GrantTerms): Promise<{ dropUrl: string; expiresAt: string }> {
    const { dropUrl, expiresAt } = v.parse(DropLink, await this.#json('POST', 'api/grants', { ...terms }))
    return { dropUrl: this.#here(dropUrl), expiresAt }
  }

  /** The stream of events, from the one behind `lastId` on. */
  events(lastId: string | null, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = lastId === null ? {} : { 'Last-Event-ID': lastId }
    return this.#ask('GET', 'api/events', { signal, headers })
  }

  /** An address of the server as this page reaches it: a proxy may put a path before it, of which the server does not know. */
  #here(url: string): string {
    const { pathname, search } = new URL(url, this.#root)
    return new URL(`.${pathname}${search}`, this.#root).href
  }

  async #json(method: string, path: string, more: RequestParts | object = {}): Promise<unknown> {
    const parts = method === 'POST' ? { body: JSON.stringify(more) } : more
    const answer = await this.#ask(method, path, parts)
    return answer.json()
  }

  async #ask(method: string, path: string, { headers, ...parts }: RequestParts = {}): Promise<Response> {
    const answer = await fetch(new URL(path, this.#root), {
      method,
      headers: { ...this.headers(), ...headers },
      cache: 'no-store',
      ...parts,
    })
    if (!answer.ok) throw new Refusal(answer.status, await answer.text())
    return answer
  }
}

interface RequestParts {
  readonly signal?: AbortSignal
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** A row as an event brings it; undefined where the data is no row. */
export function rowOf(data: string): UploadRow | undefined {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), UploadRow), data)
  return parsed.success ? parsed.output : undefined
}
