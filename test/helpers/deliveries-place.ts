import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'uvu'
import type { Deliveries, DeliveryTools } from '../../hooks/delivery/deliveries.js'
import type { DeliveryView } from '../../hooks/delivery/delivery.js'
import { FileDeliveries, type FileDeliveriesOptions } from '../../hooks/delivery/file-deliveries.js'
import type { HookCall, HookEndpoint, Notified, TellingEvent } from '../../server/model/hook.js'
import { record } from './record.js'
import { eventually } from './server.js'

/** One try to tell the endpoint. */
export interface Try {
  readonly event: TellingEvent
  readonly number: number
  readonly deliveryId: string
  readonly attempt: number
  readonly call: HookCall<TellingEvent>
}

/** When an upload was finished that a `post-finish` is about. */
export const FINISHED_AT = '2026-11-24T10:00:00.000Z'
export const DONE: Notified = { kind: 'done', stop: false }
export const FAILED: Notified = { kind: 'failed', reason: '503', afterMs: null }
export const GONE: Notified = { kind: 'gone', reason: '410' }

/** An endpoint that answers as the test says, and keeps what it was told. */
export class FakeEndpoint implements HookEndpoint {
  readonly name: string
  readonly tries: Try[] = []
  answer: (made: Try) => Notified | Promise<Notified> = () => DONE

  constructor(name = 'http') {
    this.name = name
  }

  listensTo(): boolean {
    return true
  }

  async notify(
    call: HookCall<TellingEvent>,
    delivery: { deliveryId: string; attempt: number },
  ): Promise<Notified> {
    const made = { event: call.event, number: numberOf(call.upload.id), call, ...delivery }
    this.tries.push(made)
    return this.answer(made)
  }

  /** `event number` of each try so far. */
  get told(): string[] {
    return this.tries.map(({ event, number }) => `${event} ${number}`)
  }
}

/** A call about the upload with this number. */
export function call<E extends TellingEvent>(event: E, number = 1): HookCall<E> {
  const end = event === 'post-finish' ? { finishedAt: FINISHED_AT } : {}
  const upload = { ...record(number, end), fields: { filename: 'photo.jpg' }, parts: null }
  const headers = { authorization: ['Bearer secret'] }
  const request = { method: 'PATCH', uri: `/files/${upload.id}`, remoteAddress: '127.0.0.1:1', headers }
  return { event, upload, request, firstBytes: new Uint8Array(0) }
}

export function idOf(number: number): string {
  return record(number).id
}

function numberOf(id: string): number {
  return Number(id.slice(-10))
}

/** What a test may choose of both ways to keep deliveries. */
export interface PlaceOptions {
  readonly scheduleMs?: readonly number[]
  readonly progressIntervalMs?: number
  readonly finished?: DeliveryTools['finished']
  readonly limits?: {
    readonly places?: number
    readonly retryPlaces?: number
    readonly finishes?: number
    readonly memoryBytes?: number
    readonly doneBytes?: number
    readonly failedBytes?: number
  }
}

/** Where deliveries are kept, and the servers that were started with it. */
export abstract class KeptPlace<Options extends PlaceOptions = PlaceOptions> {
  readonly endpoint = new FakeEndpoint()
  readonly finished = new Set<string>()
  readonly stopped: string[] = []
  readonly log: string[] = []
  protected readonly started: Deliveries[] = []

  /** Starts with short times; the test's options replace them. */
  abstract start(options?: Options): Promise<Deliveries>

  /** Removes it. */
  abstract leave(): Promise<void>

  /** As after a crash: what ran before writes nothing any more. */
  async restart(options?: Options): Promise<Deliveries> {
    await this.end()
    this.endpoint.tries.length = 0
    return this.start(options)
  }

  async end(): Promise<void> {
    await Promise.all(this.started.splice(0).map((each) => each.close(1_000)))
  }

  protected get tools() {
    const note = (fields: object, message: string): void => {
      this.log.push('err' in fields ? `${message}: ${String(fields.err)}` : message)
    }
    return {
      endpoints: [this.endpoint],
      finished: async (id: string) =>
        this.finished.has(id) ? call('post-finish', numberOf(id)).upload : null,
      stopUpload: (id: string) => void this.stopped.push(id),
      progressIntervalMs: 20,
      log: { info: note, warn: note, error: note },
      now: Date.now,
      scheduleMs: [0, 5, 5],
    }
  }
}

/** A folder for deliveries. */
export class DeliveriesPlace extends KeptPlace<Partial<FileDeliveriesOptions>> {
  readonly root = mkdtempSync(join(tmpdir(), 'lading-deliveries-'))

  get folder(): string {
    return join(this.root, 'deliveries')
  }

  /** The names in the endpoint's folder, but for those of the marks and of the reserve. */
  get files(): string[] {
    return readdirSync(join(this.folder, 'http'))
      .filter((name) => name !== 'finishing' && name !== 'reserve')
      .sort()
  }

  override async start(options: Partial<FileDeliveriesOptions> = {}): Promise<Deliveries> {
    const deliveries = await FileDeliveries.start({
      ...this.tools,
      folder: this.folder,
      flushFolder: async () => {},
      ...options,
      limits: { walkPauseMs: 20, faultPauseMs: 20, flushPauseMs: 20, ...options.limits },
    })
    this.started.push(deliveries)
    return deliveries
  }

  /** The uploads that have a mark on the disk, in order. */
  get marked(): number[] {
    const content = readFileSync(join(this.folder, 'http', 'finishing'), 'latin1')
    const found = [...content.matchAll(/msg_([0-9a-z-]+)_/g)].map(([, id = '']) => numberOf(id))
    return found.sort((one, other) => one - other)
  }

  override async leave(): Promise<void> {
    this.endpoint.answer = () => DONE
    await this.end()
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Gives each test of a suite a place of its own. */
export function withPlace(test: Test<{ place: DeliveriesPlace }>): void {
  test.before.each((context) => {
    context.place = new DeliveriesPlace()
  })
  test.after.each(({ place }) => place.leave())
}

/** Waits until the endpoint was told so often, and nothing is pending any more. */
export async function told(place: KeptPlace, deliveries: Deliveries, times: number): Promise<void> {
  await until(`${times} tries`, () => place.endpoint.tries.length >= times)
  // The number may be a little older than the list.
  await until('nothing that is pending', async () => {
    return (await all(deliveries, 'pending')).length === 0 && deliveries.numbers.pending === 0
  })
}

/** Every delivery in this state. */
export async function all(
  deliveries: Deliveries,
  state: DeliveryView['state'],
): Promise<readonly DeliveryView[]> {
  return (await deliveries.list(state, undefined, 256)).deliveries
}

/** Waits for something, for 30 s at most. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(30_000, what, async () => (await holds()) || undefined)
}
