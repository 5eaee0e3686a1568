import { createParser } from 'eventsource-parser'
import { rowOf, type UploadRow } from './api.js'
import { Refusal } from './refusal.js'

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 15_000

interface LiveParts {
  /** Opens the stream behind the event with this id. */
  readonly open: (lastId: string | null, signal: AbortSignal) => Promise<Response>
  /** An upload changed. */
  readonly changed: (kind: string, row: UploadRow) => void
  /** Events are missing: what is shown must be asked for again. */
  readonly missed: () => void
  readonly connected: (isConnected: boolean) => void
}

/**
 * The server's events, by `fetch`, because EventSource sends no headers. The stream is opened again when it ends, and
 * closed while nobody sees the page: a browser has few connections to one server, and uploads need them.
 */
export class Live {
  readonly #parts: LiveParts
  #lastId: string | null = null
  #stop: AbortController | null = null

  constructor(parts: LiveParts) {
    this.#parts = parts
    document.addEventListener('visibilitychange', () => {
      if (!this.#isStarted) return
      if (document.hidden) this.#close()
      else this.#open()
    })
  }

  #isStarted = false

  /** Begins to listen, as whoever asks now. */
  start(): void {
    this.#isStarted = true
    this.#lastId = null
    this.#close()
    if (!document.hidden) this.#open()
  }

  stop(): void {
    this.#isStarted = false
    this.#close()
  }

  #close(): void {
    this.#stop?.abort()
    this.#stop = null
  }

  #open(): void {
    this.#close()
    const stop = new AbortController()
    this.#stop = stop
    this.#listen(stop.signal).catch(() => {
      this.stop()
      this.#parts.connected(false)
      // The list is refused too, and asks for a key.
      this.#parts.missed()
    })
  }

  /** Rejects where the server refuses for good. */
  async #listen(signal: AbortSignal): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!signal.aborted) {
      try {
        const answer = await this.#parts.open(this.#lastId, signal)
        // Without an id to go on from, what happened before this moment is not in the stream.
        if (this.#lastId === null) this.#parts.missed()
        this.#parts.connected(true)
        pauseMs = FIRST_PAUSE_MS
        await this.#read(answer)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof Refusal && error.status < 500 && error.status !== 429) throw error
      }
      if (signal.aborted) return
      this.#parts.connected(false)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    }
  }

  async #read({ body }: Response): Promise<void> {
    if (!body) return
    const parser = createParser({
      onEvent: ({ id, event = '', data }) => {
        if (id !== undefined) this.#lastId = id
        const row = event === 'reset' ? undefined : rowOf(data)
        if (row) this.#parts.changed(event, row)
        else if (event === 'reset') this.#parts.missed()
      },
    })
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      parser.feed(value)
    }
  }
}
