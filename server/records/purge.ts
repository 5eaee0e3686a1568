import { STATES_WITHOUT_FILES } from '../model/record.js'
import { type Answer, type Call, ROWS_AT_ONCE } from './backend.js'

/**
 * Deletes rows without files that were last updated before `before`, and in each state the oldest beyond the newest
 * `most`; resolves with their number. Rejects as `call` does.
 */
export async function purge(
  before: Date,
  most: number,
  call: (call: Call) => Promise<Answer>,
): Promise<number> {
  let purged = 0
  for (const state of STATES_WITHOUT_FILES) {
    const { found } = await call({ name: 'newest', state, skip: most })
    const [surplus = ''] = found ?? []
    const until = [before.toISOString(), surplus].toSorted()[1] ?? ''
    for (let changes = ROWS_AT_ONCE; changes === ROWS_AT_ONCE; purged += changes)
      changes = (await call({ name: 'purge', state, before: until, limit: ROWS_AT_ONCE })).changes
  }
  return purged
}
