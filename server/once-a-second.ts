const ASK_EVERY_MS = 1_000

/**
 * The same question, asked at most once a second and once at a time, however many want the answer. Where it takes longer
 * than `withinMs` milliseconds, `late` is the answer until it comes.
 *
 * @param ask must not reject
 * @param monotonic gives milliseconds of a monotonic clock
 */
export function onceASecond<T>(
  ask: () => Promise<T>,
  { withinMs, late, monotonic }: { withinMs: number; late: T; monotonic: () => number },
): () => Promise<T> {
  let last: { readonly atMs: number; readonly answer: Promise<T> } | undefined
  let isRunning = false
  return async () => {
    const nowMs = monotonic()
    if (!last || (!isRunning && nowMs - last.atMs >= ASK_EVERY_MS)) {
      isRunning = true
      const answer = ask().finally(() => {
        isRunning = false
      })
      last = { atMs: nowMs, answer }
    }
    if (!isRunning) return last.answer
    return firstOf(last.answer, late, last.atMs + withinMs - nowMs)
  }
}

/** The answer, or `late` after so many milliseconds. */
async function firstOf<T>(answer: Promise<T>, late: T, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late), Math.max(0, ms))
  })
  return Promise.race([answer, tooLate]).finally(() => clearTimeout(timer))
}
