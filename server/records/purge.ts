import type { Answer, Call } from './sqlite/message.js'

/** The states whose rows outlive their files. */
const WITHOUT_FILES = ['refused', 'expired', 'terminated'] as const
/** Rows deleted at once: no batch waits long behind them. */
const PAGE_LIMIT = 256

/**
 * Deletes rows without files that were last updated before then, and of each state all but the newest `most`;
 * gives their number. Rejects as `call` does.
 */
export async function purge(
  before: Date,
  most: number,
  call: (call: Call) => Promise<Answer>,
): Promise<number> {
  let purged = 0
  for (const state of WITHOUT_FILES) {
    const { found } = await call({ name: 'newest', state, skip: most })
    const [surplus = ''] = found ?? []
    const until = [before.toISOString(), surplus].toSorted()[1] ?? ''
    for (let changes = PAGE_LIMIT; changes === PAGE_LIMIT; purged += changes)
      changes = (await call({ name: 'purge', state, before: until, limit: PAGE_LIMIT })).changes
  }
  return purged
}
