import { PassThrough } from 'node:stream'
import { Arena } from '../../server/intake/arena.js'
import { Intake } from '../../server/intake/intake.js'
import type { IntakeLimits } from '../../server/intake/intake-tools.js'
import type { Block, BlockSink } from '../../server/model/body.js'

export const BLOCK_BYTES = 16

/** A sink that keeps what it gets; `gate` holds a write until it is opened. */
export class Keeper implements BlockSink {
  wantsFirstBytes = 0
  takesLastAtOnce = false
  readonly batches: string[] = []
  lasts = 0
  /** Batches that have come. */
  begun = 0
  gate: Promise<void> = Promise.resolve()
  failWith: Error | undefined
  readonly #arena: Arena

  constructor(arena: Arena) {
    this.#arena = arena
  }

  get all(): string {
    return this.batches.join('')
  }

  async write(blocks: readonly Block[], last: boolean): Promise<void> {
    this.begun += 1
    const text = blocks
      .map(({ index, bytes }) => Buffer.from(this.#arena.view(index, bytes)).toString())
      .join('')
    await this.gate
    if (this.failWith) throw this.failWith
    this.wantsFirstBytes = Math.max(0, this.wantsFirstBytes - text.length)
    this.batches.push(text)
    if (last) this.lasts += 1
  }
}

/** An intake over a stream, with a small arena, a clock that the test sets, and a sink that keeps what it gets. */
export function setUp(
  limits: Partial<IntakeLimits> = {},
  blocks = 4,
  arena = new Arena({ blocks, blockBytes: BLOCK_BYTES }),
) {
  const source = new PassThrough()
  const clock = { ms: 0, reads: 0 }
  const intake = new Intake(source, {
    arena,
    limits: { blocks: 4, tickMs: 5, idleTimeoutMs: 1e9, minRateBytesPerMinute: 0, ...limits },
    bodyBytes: null,
    monotonic: () => {
      clock.reads += 1
      return clock.ms
    },
    begins: () => {},
  })
  return { arena, source, clock, intake, sink: new Keeper(arena) }
}

/** A gate, and what opens it. */
export function opening(): { gate: Promise<void>; open: () => void } {
  let open = (): void => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  return { gate, open }
}

export const SOON_MS = 10_000

/** Waits, turn by turn of the event loop, for what the streams do by themselves. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const late = Date.now() + SOON_MS
  while (!isSo()) {
    if (Date.now() > late) throw new Error(`${what} did not come`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
