import type { Api, Status, UploadRow } from './api.js'
import { byId, setText } from './dom.js'
import { bytes } from './format.js'
import { Places } from './places.js'
import { mayComeBack } from './refusal.js'
import { SpeedChart } from './speed-chart.js'

/** While uploads run, and while none do. Events bring what happens in between. */
const BUSY_MS = 2_000
const IDLE_MS = 15_000
const SOON_MS = 150

/** What only an operator sees: the slots, the speed, and how the server is. */
export class Operator {
  readonly #api: Pick<Api, 'status'>
  readonly #panel = byId('activity', HTMLElement)
  readonly #health = byId('health', HTMLElement)
  readonly #places = new Places(byId('places', HTMLElement), byId('places-summary', HTMLElement))
  #timer: ReturnType<typeof setTimeout> | undefined
  #askAtMs = Number.POSITIVE_INFINITY
  #isShown = false

  constructor(api: Pick<Api, 'status'>) {
    this.#api = api
    new SpeedChart(byId('speed', HTMLElement), byId('speed-now', HTMLElement), () => {
      return this.#isShown ? this.#places.bytesPerSecond : 0
    })
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.askSoon()
    })
  }

  /** Shows the server's status, and resolves with whether whoever asks now may see it. */
  async show(): Promise<boolean> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isShown = false
    try {
      this.#draw(await this.#api.status())
      this.#isShown = true
      this.#askIn(IDLE_MS)
    } catch {
      // Others see the page without it.
    }
    this.#panel.hidden = !this.#isShown
    this.#health.hidden = !this.#isShown
    return this.#isShown
  }

  /** An upload changed. */
  changed(kind: string, row: UploadRow): void {
    this.#places.progress(row)
    // It has taken a slot, or given it back.
    if (kind !== 'progress' || !this.#places.has(row.id)) this.askSoon()
  }

  /** Asks for the status a moment later, once for many reasons. */
  askSoon(): void {
    if (this.#isShown) this.#askIn(SOON_MS)
  }

  /** The events come, or do not: then nothing here is live. */
  connected(isConnected: boolean): void {
    this.#health.hidden = isConnected && !this.#isShown
    if (isConnected) this.askSoon()
    else setText(this.#health, 'No connection to the server: what is shown may be old.')
  }

  #askIn(ms: number): void {
    const atMs = performance.now() + ms
    if (atMs > this.#askAtMs && this.#timer !== undefined) return
    clearTimeout(this.#timer)
    this.#askAtMs = atMs
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#ask()
    }, ms)
  }

  async #ask(): Promise<void> {
    if (document.hidden) return
    try {
      const status = await this.#api.status()
      this.#draw(status)
      const isBusy = status.slots.taken > 0 || (status.cluster?.active.length ?? 0) > 0
      this.#askIn(isBusy ? BUSY_MS : IDLE_MS)
    } catch (error) {
      // What is refused once is refused again; the server may come back.
      if (mayComeBack(error)) this.#askIn(BUSY_MS)
    }
  }

  #draw(status: Status): void {
    this.#places.show(status)
    const nodes = status.cluster?.nodes?.length ?? 1
    const ofCluster = nodes > 1 ? `${nodes} nodes · ` : ''
    const free = `${bytes(status.disk.freeBytes)} free on disk`
    setText(this.#health, `${ofCluster}${free} · Lading ${status.version}`)
  }
}
