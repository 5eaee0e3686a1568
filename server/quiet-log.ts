/** How long equal lines are counted before one line has their number. */
const WINDOW_MS = 10_000
/** How many kinds of lines are counted separately. Beyond that, lines with the same message are one kind. */
const MOST_KINDS = 64
const MOST_CAUSE_CHARACTERS = 100

type Level = 'info' | 'warn' | 'error'
type Lines = Readonly<Record<Level, (fields: object, message: string) => void>>

/** Lines with the same level, message, code word and cause. */
interface Kind {
  readonly level: Level
  readonly message: string
  readonly code: unknown
  /** `written` lines were logged in full; `counted` lines came since the last line in the log. */
  written: number
  counted: number
  readonly timer: NodeJS.Timeout
}

/**
 * The log for events that clients can repeat without limit: all slots taken, a full disk, downloads that are aborted.
 * The first lines of a kind are written at once. Those that follow within ten seconds are counted, and one line
 * has their number.
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

  /** Writes the counts. The next line of each kind is written in full again. */
  flush(): void {
    for (const [key, kind] of this.#kinds) {
      this.#writeCount(kind)
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

  /** A burst that continues has one line for each window. A burst that is over is forgotten. */
  #windowEnds(key: string): void {
    const kind = this.#kinds.get(key)
    if (kind && !this.#writeCount(kind)) this.#forget(key, kind)
  }

  #writeCount(kind: Kind): boolean {
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

/** The innermost cause of an error: its system code if it has one, because the message also has a path or an id. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, MOST_CAUSE_CHARACTERS)
  if (error.cause !== undefined) return causeOf(error.cause)
  return 'code' in error ? String(error.code) : error.message.slice(0, MOST_CAUSE_CHARACTERS)
}
