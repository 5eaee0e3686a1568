import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { bounded } from './test.js'

const WITHIN_MS = 30_000

/** One event, or a comment that names where its reader is. */
export interface ReadEvent {
  readonly id: string
  /** '' where nothing is dispatched. */
  readonly kind: string
  readonly data: Record<string, unknown>
}

/** Reads a stream of events as the specification of server-sent events says. */
export class EventClient {
  readonly events: ReadEvent[] = []
  readonly response: IncomingMessage
  readonly #request: ClientRequest
  #text = ''
  #wake = (): void => {}
  isEnded = false

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#request = sent
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#take(text))
    response.on('error', () => {})
    response.on('close', () => {
      this.isEnded = true
      this.#wake()
    })
  }

  /** Opens a stream and resolves once its headers are there. */
  static open(origin: string, path: string, headers: Record<string, string> = {}): Promise<EventClient> {
    const opened = new Promise<EventClient>((resolve, reject) => {
      const sent = request(`${origin}${path}`, { headers, agent: false })
      sent.on('response', (response) => resolve(new EventClient(sent, response)))
      sent.on('error', reject)
      sent.end()
    })
    return bounded(WITHIN_MS, opened, 'the head of the stream')
  }

  /** The id up to which everything has come. */
  get lastId(): string {
    return this.events.at(-1)?.id ?? ''
  }

  /** Those that are dispatched. */
  get kinds(): string[] {
    return this.events.map(({ kind }) => kind).filter((kind) => kind !== '')
  }

  /** Resolves with the first event that is so, of those that came and those that come. */
  async until(isIt: (event: ReadEvent) => boolean, what: string): Promise<ReadEvent> {
    const search = async (): Promise<ReadEvent> => {
      for (;;) {
        const found = this.events.find(isIt)
        if (found) return found
        if (this.isEnded) throw new Error(`the stream ended before ${what}`)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
    return bounded(WITHIN_MS, search(), what)
  }

  /** Resolves when the stream has ended. */
  async ended(): Promise<void> {
    if (this.isEnded) return
    await bounded(WITHIN_MS, new Promise<void>((resolve) => this.response.once('close', resolve)), 'the end')
  }

  close(): void {
    this.#request.destroy()
  }

  #take(text: string): void {
    const blocks = (this.#text + text).split('\n\n')
    this.#text = blocks.pop() ?? ''
    for (const block of blocks) this.events.push(readBlock(block))
    this.#wake()
  }
}

function readBlock(block: string): ReadEvent {
  const fields = new Map(
    block.split('\n').map((line) => [line.split(':', 1)[0] ?? '', line.replace(/^\w*: ?/, '')]),
  )
  return {
    id: fields.get('id') ?? '',
    kind: fields.get('event') ?? '',
    data: JSON.parse(fields.get('data') ?? '{}'),
  }
}
