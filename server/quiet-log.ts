/** How long equal lines are counted before one line says how many there were. */
const WINDOW_MS = 10_000
/** Kinds of lines that are told apart at once; beyond that only their messages tell them apart. */
const MOST_KINDS = 64
const MOST_CAUSE_CHARACTERS = 100

type Level = 'info' | 'warn' | 'error'
type Lines = Readonly<Record<Level, (fields: object, message: string) => void>>

/** Lines that say the same: the same level, message, code word and cause. */
interface Kind {
  readonly level: Level
  readonly message: string
  readonly code: unknown
  /** Lines written in full, and lines that are counted since the last line. */
  written: number
  counted: number
  readonly timer: NodeJS.Timeout
}

/**
 * The log for what clients can cause as often as they like: a full house, a disk that is full, readers who leave.
 * The first lines of a kind are written at once; those that follow within ten seconds are counted, and one line
 * says how many there were.
 */
export class QuietLog implements Lines {
  readonly #log: Lines
  readonly #inFull: number
  readonly #windowMs: number
  readonly #kinds = new Map<string, Kind>()

  /** `inFull` is how many lines of a kind are written before they are counted. */
  constructor(log: Lines, options: { inFull: number; windowMs?: number }) {
    this.#log = log
    this.#inFull = options.inFull
    this.#windowMs = options.windowMs ?? WINDOW_MS
  }

  info(fields: object, message: string): void {
    this.#take('info', fields, message)
  }

  warn(fields: object, message: string): void {
    this.#take('warn', fields, message)
  }

  error(fields: object, message: string): void {
    this.#take('error', fields, message)
  }

  /** Writes what was counted; the next line of each kind is written in full again. */
  flush(): void {
    for (const [key, kind] of this.#kinds) {
      this.#tellCount(kind)
      this.#forget(key, kind)
    }
  }

  #take(level: Level, fields: object, message: string): void {
    const kind = this.#kindOf(level, fields, message)
    if (kind.written >= this.#inFull) {
      kind.counted += 1
      return
    }
    kind.written += 1
    this.#log[level](fields, message)
  }

  #kindOf(level: Level, fields: object, message: string): Kind {
    const code = 'code' in fields ? fields.code : undefined
    const exact = `${level} ${message} ${code} ${'err' in fields ? causeOf(fields.err) : ''}`
    const key = this.#kinds.has(exact) || this.#kinds.size < MOST_KINDS ? exact : `${level} ${message}`
    const known = this.#kinds.get(key)
    if (known) return known
    const timer = setInterval(() => this.#windowEnds(key), this.#windowMs).unref()
    const kind = { level, message, code: key === exact ? code : undefined, written: 0, counted: 0, timer }
    this.#kinds.set(key, kind)
    return kind
  }

  /** A burst that goes on has one line for each window; one that is over begins in full the next time. */
  #windowEnds(key: string): void {
    const kind = this.#kinds.get(key)
    if (kind && !this.#tellCount(kind)) this.#forget(key, kind)
  }

  #tellCount(kind: Kind): boolean {
    const { level, message, code, counted } = kind
    kind.counted = 0
    if (counted > 0)
      this.#log[level]({ code, count: counted }, `${message} (${counted} more like the last one)`)
    return counted > 0
  }

  #forget(key: string, kind: Kind): void {
    clearInterval(kind.timer)
    this.#kinds.delete(key)
  }
}

/** What an error comes from, without what differs from one upload to the next where the system gives a code. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, MOST_CAUSE_CHARACTERS)
  if (error.cause !== undefined) return causeOf(error.cause)
  return 'code' in error ? String(error.code) : error.message.slice(0, MOST_CAUSE_CHARACTERS)
}
