/** A try out of turn: the first one after a restart, or one that an operator asked for. */
export type Extra = 'restart' | 'resend'

/** An upload whose deliveries are in the agenda. */
export interface Appointment {
  readonly uploadId: string
  /** When it is looked at next, in milliseconds since 1970. */
  dueMs: number
  /** Its first delivery has failed before. */
  isRetry: boolean
  /** Its first delivery is tried once, whatever the schedule says. */
  extra: Extra | null
  isRunning: boolean
  /** Something came while it ran. */
  isWoken: boolean
  /** Deliveries that the endpoint has, and whose end the spool does not have yet. */
  readonly ended: Set<string>
}

type Waking = Pick<Appointment, 'extra' | 'isRetry'>

/**
 * Which uploads of one endpoint are looked at, and when. It holds a bounded number: where it is full the latest one
 * is left to the disk, and a walk finds it there later.
 */
export class Agenda {
  readonly #most: number
  readonly #appointments = new Map<string, Appointment>()
  #leftMs = Number.POSITIVE_INFINITY

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#appointments.size
  }

  /** When the earliest is due of what was left to the disk; Infinity where nothing was. */
  get leftMs(): number {
    return this.#leftMs
  }

  /** A walk begins, which sees everything that is left to the disk. */
  beginWalk(): void {
    this.#leftMs = Number.POSITIVE_INFINITY
  }

  has(uploadId: string): boolean {
    return this.#appointments.has(uploadId)
  }

  /** Has an upload looked at by then, or earlier where the agenda says so already. */
  wake(uploadId: string, dueMs: number, { extra = null, isRetry = false }: Partial<Waking> = {}): void {
    const known = this.#appointments.get(uploadId)
    if (known) {
      known.dueMs = Math.min(known.dueMs, dueMs)
      known.extra ??= extra
      known.isWoken = true
    } else if (this.#makeRoom(dueMs)) {
      const flags = { isRetry, extra, isRunning: false, isWoken: false }
      this.#appointments.set(uploadId, { uploadId, dueMs, ...flags, ended: new Set() })
    } else this.#leave(dueMs)
  }

  /** The earliest one that is due and does not run; undefined where there is none. */
  next(nowMs: number, { retries }: { retries: boolean }): Appointment | undefined {
    let found: Appointment | undefined
    for (const each of this.#appointments.values()) {
      if (each.isRunning || each.dueMs > nowMs || (each.isRetry && !retries)) continue
      if (!found || each.dueMs < found.dueMs) found = each
    }
    return found
  }

  /** When the earliest is due that is not due yet; Infinity where there is none. */
  nextMs(nowMs: number): number {
    let earliestMs = Number.POSITIVE_INFINITY
    for (const { isRunning, dueMs } of this.#appointments.values())
      if (!isRunning && dueMs > nowMs) earliestMs = Math.min(earliestMs, dueMs)
    return earliestMs
  }

  /** Tells whether one that is due now would be taken in. */
  hasRoom(nowMs: number): boolean {
    return this.size < this.#most || this.#latest(nowMs) !== undefined
  }

  /** Has every upload in the agenda looked at now. */
  wakeAll(nowMs: number): void {
    for (const each of this.#appointments.values()) this.wake(each.uploadId, nowMs)
  }

  delete(uploadId: string): void {
    this.#appointments.delete(uploadId)
  }

  #makeRoom(dueMs: number): boolean {
    if (this.size < this.#most) return true
    const latest = this.#latest(dueMs)
    if (!latest) return false
    this.#appointments.delete(latest.uploadId)
    this.#leave(latest.dueMs)
    return true
  }

  /** The latest one after `dueMs` that may be left to the disk. */
  #latest(dueMs: number): Appointment | undefined {
    let latest: Appointment | undefined
    for (const each of this.#appointments.values()) {
      if (each.isRunning || each.ended.size > 0 || each.dueMs <= (latest?.dueMs ?? dueMs)) continue
      latest = each
    }
    return latest
  }

  #leave(dueMs: number): void {
    this.#leftMs = Math.min(this.#leftMs, dueMs)
  }
}
