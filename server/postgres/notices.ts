import { setTimeout as startTimer } from 'node:timers'
import { setTimeout } from 'node:timers/promises'
import type { Client } from 'pg'
import type { Notices } from '../model/sql.js'
import { connectionSettings } from './settings.js'

const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 2_000
/** A connection that the network has lost shows itself only when it is used. */
const ASK_EVERY_MS = 3_000
const END_WITHIN_MS = 1_000

type Library = typeof import('pg')
type Heard = (payload: string) => void

/** Opens the connection that hears notices, and opens it again whenever it is lost. Loads the library. */
export async function openNotices(url: string): Promise<Notices> {
  const { default: pg } = await import('pg')
  return new NoticeConnection(pg, url)
}

class NoticeConnection implements Notices {
  readonly #library: Pick<Library, 'Client' | 'types'>
  readonly #url: string
  readonly #channels = new Map<string, Set<Heard>>()
  readonly #connected = new Set<() => void>()
  #client: Client | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #isConnected = false
  #isEnded = false

  constructor(library: Pick<Library, 'Client' | 'types'>, url: string) {
    this.#library = library
    this.#url = url
    this.#connect()
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  listen(channel: string, heard: Heard): () => void {
    if (!/^[a-z0-9_]+$/.test(channel)) throw new RangeError(`${channel} is no name of a channel`)
    const all = this.#channels.get(channel) ?? new Set()
    all.add(heard)
    this.#channels.set(channel, all)
    const client = this.#client
    // Where it fails the connection is lost, and the next one listens to every channel.
    if (this.#isConnected && client) client.query(`LISTEN ${channel}`).catch(() => this.#lost(client))
    return () => void all.delete(heard)
  }

  onConnected(connected: () => void): () => void {
    this.#connected.add(connected)
    return () => void this.#connected.delete(connected)
  }

  async end(): Promise<void> {
    this.#isEnded = true
    clearTimeout(this.#timer)
    const client = this.#client
    if (client) await Promise.race([this.#lost(client), setTimeout(END_WITHIN_MS, undefined, { ref: false })])
  }

  /** Never rejects: a failure is tried again. */
  async #connect(): Promise<void> {
    const client = this.#newClient()
    if (!client) return
    this.#client = client
    client.on('error', () => this.#lost(client))
    client.on('end', () => this.#lost(client))
    client.on('notification', ({ channel, payload }) => {
      for (const heard of this.#channels.get(channel) ?? []) heard(payload ?? '')
    })
    try {
      await client.connect()
      for (const channel of this.#channels.keys()) await client.query(`LISTEN ${channel}`)
    } catch {
      this.#lost(client)
      return
    }
    if (this.#client !== client) return
    this.#isConnected = true
    this.#failures = 0
    this.#timer = startTimer(() => this.#ask(client), ASK_EVERY_MS)
    for (const connected of this.#connected) connected()
  }

  /** A client that is not connected; undefined where none can be made now, for example without its certificate. */
  #newClient(): Client | undefined {
    try {
      return new this.#library.Client(connectionSettings(this.#url, this.#library.types.getTypeParser))
    } catch {
      this.#connectLater()
      return undefined
    }
  }

  #connectLater(): void {
    if (this.#isEnded) return
    const pauseMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 16), LAST_RETRY_MS)
    this.#failures += 1
    this.#timer = startTimer(() => this.#connect(), pauseMs)
  }

  /** Sees whether the connection still answers. */
  #ask(client: Client): void {
    client.query('SELECT 1').then(
      () => {
        if (this.#client === client) this.#timer = startTimer(() => this.#ask(client), ASK_EVERY_MS)
      },
      () => this.#lost(client),
    )
  }

  /** Gives the connection up, and makes another later. Resolves once its socket is closed; never rejects. */
  async #lost(client: Client): Promise<void> {
    if (this.#client !== client) return
    this.#client = undefined
    this.#isConnected = false
    clearTimeout(this.#timer)
    this.#connectLater()
    await client.end().catch(() => {})
  }
}
