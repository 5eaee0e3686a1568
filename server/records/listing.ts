import type { UploadRecord } from '../model/record.js'
import {
  LIST_START,
  type ListPage,
  type ListPlace,
  matches,
  pageWithNewer,
  type UploadFilter,
} from '../model/upload-list.js'
import type { Answer, Call } from './backend.js'

/** Looks in a row that find no record, before a page is given back empty. */
const MOST_LOOKS = 50

type Ask = (call: Call) => Promise<Answer>
type Queued = ReadonlyMap<string, UploadRecord>

/**
 * A page of a list: what the database has, and what waited for it when this was called: a batch that is written meanwhile
 * is neither missed nor seen twice. Rejects as `call` does.
 */
export function listRecords(
  asked: { readonly filter: UploadFilter; readonly after: ListPlace; readonly limit: number },
  queued: Queued,
  call: Ask,
): Promise<ListPage<UploadRecord>> {
  const { filter } = asked
  return pageWithNewer(asked, queued, async (after, limit) => {
    let next: ListPlace | null = after
    for (let looks = 0; next !== null && looks < MOST_LOOKS; looks++) {
      const answer: Answer = await call({ name: 'list', filter, after: next, limit })
      next = answer.next ?? null
      if (answer.rows.length > 0) return { items: answer.rows, next }
    }
    return { items: [], next }
  })
}

/** How many records pass a filter, in the database and in the queue. Rejects as `call` does. */
export async function countRecords(filter: UploadFilter, queued: Queued, call: Ask): Promise<number> {
  let count = 0
  const without = [...queued.keys()]
  for (let after: ListPlace | null = LIST_START; after !== null; ) {
    const answer: Answer = await call({ name: 'count', filter, after, without })
    count += answer.changes
    after = answer.next ?? null
  }
  for (const record of queued.values()) if (matches(filter, record)) count += 1
  return count
}
