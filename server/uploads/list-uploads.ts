import { UploadError } from '../errors.js'
import { type RecordStore, RecordsError } from '../model/record-store.js'
import type { ListPage, ListPlace, UploadFilter } from '../model/upload-list.js'
import { type LiveUploads, restView, type UploadState } from '../model/upload-state.js'

interface ListTools {
  readonly live: Pick<LiveUploads, 'peek' | 'newer'>
  readonly records: Pick<RecordStore, 'list' | 'count'>
}

/** Lists uploads as the index has them, and those that are receiving now as they are. */
export class UploadList {
  readonly #tools: ListTools

  constructor(tools: ListTools) {
    this.#tools = tools
  }

  /** A page behind a place. Rejects with index_unavailable. */
  async page(filter: UploadFilter, after: ListPlace, limit: number): Promise<ListPage<UploadState>> {
    const { live, records } = this.#tools
    const { items, next } = await records.list(filter, after, limit, live.newer()).catch(unavailable)
    const views = items.map((record) => {
      const newest = live.peek(record.id)
      // A hook may give an id that is free again to another upload, while the index is asked.
      return newest?.createdAt === record.createdAt ? newest : restView(record)
    })
    return { items: views, next }
  }

  /** How many uploads pass a filter. Rejects with index_unavailable. */
  count(filter: UploadFilter): Promise<number> {
    const { live, records } = this.#tools
    return records.count(filter, live.newer()).catch(unavailable)
  }
}

function unavailable(error: unknown): never {
  throw error instanceof RecordsError ? new UploadError('index_unavailable', { cause: error }) : error
}
