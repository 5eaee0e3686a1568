import type { Arena } from '../../server/intake/arena.js'
import type { BodyEnd } from '../../server/model/body.js'
import type { Creation } from '../../server/model/creation.js'
import type { Engine } from '../../server/model/engine.js'
import type { EventKind } from '../../server/model/event.js'
import { ANONYMOUS, mayAccess } from '../../server/model/principal.js'
import type { UploadRecord } from '../../server/model/record.js'
import { type RequestFacts, UploadRequest } from '../../server/model/request.js'
import { Announcer } from '../../server/uploads/announcer.js'
import { LadingStore } from '../../server/uploads/store.js'
import type { StorageTools } from '../../server/uploads/tools.js'
import { Unfinished } from '../../server/uploads/unfinished.js'
import { bodyOf, PLAIN } from './upload-fakes.js'

const DAY_MS = 86_400_000
const NOTHING = { headers: {}, body: null, checksum: null, trailing: null, creation: null }

/** The life of uploads over any engine, with fakes for everything else. A type that begins with `!` is refused. */
export class LifePlace {
  readonly store: LadingStore
  /** Every event, as `kind id`; ids are short. */
  readonly events: string[] = []
  readonly records = new Map<string, UploadRecord>()
  readonly unfinished = new Unfinished(100)
  nowMs = Date.now()
  readonly #arena: Arena
  #request: UploadRequest | undefined
  #wake = (): void => {}

  /** @param others what is not as in a server that is alone */
  constructor(engine: Engine, arena: Arena, others: Partial<StorageTools> = {}) {
    this.#arena = arena
    const log = { info: () => {}, warn: () => {}, error: () => {} }
    const now = (): number => this.nowMs
    const note = (kind: EventKind, record: UploadRecord): void => {
      this.events.push(`${kind} ${shortOf(record.id)}`)
      this.records.set(record.id, record)
      this.#wake()
    }
    const announcer = new Announcer([({ kind, record }) => note(kind, record)], { now, log })
    const tools: StorageTools = {
      ...{
        engine,
        log,
        now,
        mayAccess,
        unfinished: this.unfinished,
        sniffBytes: 4,
        hooks: null,
        traces: null,
      },
      monotonic: () => performance.now(),
      takeGrant: async () => {},
      returnGrant: () => {},
      received: () => {},
      isOwn: () => true,
      sniff: async ({ head }) =>
        head[0] === 33
          ? { accepted: false, type: 'text/x-refused', reason: 'It begins with an exclamation mark.' }
          : { accepted: true, type: 'text/plain' },
      view: (index, bytes) => arena.view(index, bytes),
      row: async (id) => this.records.get(id),
      announce: (upload, kind, end) => announcer.announce(upload, kind, end),
      underLock: (_, work) => work(),
      isReceiving: () => false,
      alone: null,
      isHeldByRequest: () => false,
      isHeld: () => false,
      durability: 'finish',
      expireAfterMs: DAY_MS,
      keepPartialsMs: 0,
      maxSizeBytes: 1000,
      ...others,
    }
    this.store = new LadingStore(tools, () => this.#holder())
  }

  /** Creates an upload; a length of null is deferred. */
  async create(id: string, length: number | null, creation: Partial<Creation> = {}): Promise<UploadRequest> {
    const request = this.#ask({ id, method: 'POST', creation: { ...PLAIN, ...creation } })
    const size = length ?? undefined
    const web = { metadata: undefined, storage: undefined, creation_date: undefined }
    await this.store.create({ id, offset: 0, size, sizeIsDeferred: length === null, ...web })
    return request
  }

  /** Sends a body of these bytes, which ends so and may bring the length; resolves with the new offset. */
  async patch(
    id: string,
    text: string,
    rest: Partial<RequestFacts> & { end?: BodyEnd; length?: number } = {},
  ): Promise<number> {
    const { end = 'complete', length, ...facts } = rest
    this.#ask({ id, method: 'PATCH', body: bodyOf(this.#arena, text, end), ...facts })
    await this.store.getUpload(id)
    if (length !== undefined) await this.store.declareUploadLength(id, length)
    return this.store.write(undefined, id)
  }

  /** The offset as HEAD tells it. */
  async head(id: string): Promise<number> {
    this.#ask({ id, method: 'HEAD' })
    return (await this.store.getUpload(id)).offset
  }

  /** Terminates an upload. */
  async terminate(id: string): Promise<void> {
    this.#ask({ id, method: 'DELETE' })
    await this.store.remove(id)
  }

  /** Resolves once an event is announced; `kind id`. */
  async announced(event: string): Promise<void> {
    while (!this.events.includes(event)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #holder(): UploadRequest {
    if (!this.#request) throw new Error('no request holds the upload')
    return this.#request
  }

  #ask(facts: Partial<RequestFacts> & Pick<RequestFacts, 'id' | 'method'>): UploadRequest {
    this.#request = new UploadRequest({ ...NOTHING, principal: ANONYMOUS, ...facts })
    return this.#request
  }
}

/** The last digit of an id tells the uploads of a test apart. */
function shortOf(id: string): string {
  return id.slice(-1)
}
