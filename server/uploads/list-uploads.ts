import { UploadError } from '../errors.js'
import { type RecordStore, RecordsError } from '../model/record-store.js'
import type { ListPage, ListPlace, UploadFilter } from '../model/upload-list.js'
import { liveView, restView, type UploadState } from './live-view.js'
import type { Uploads } from './uploads.js'

interface ListTools {
  readonly uploads: Pick<Uploads, 'peek' | 'receiving'>
  readonly records: Pick<RecordStore, 'list' | 'count'>
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
}

/** Lists uploads as the index has them, and those that are receiving now as they are in memory. */
export class UploadList {
  readonly #tools: ListTools

  constructor(tools: ListTools) {
    this.#tools = tools
  }

  /** A page behind a place. Rejects with index_unavailable. */
  async page(filter: UploadFilter, after: ListPlace, limit: number): Promise<ListPage<UploadState>> {
    const { uploads, records, monotonic } = this.#tools
    const { items, next } = await records.list(filter, after, limit, this.#receiving()).catch(unavailable)
    const views = items.map((record) => {
      const live = uploads.peek(record.id)
      // A hook may give an id that is free again to another upload, while the index is asked.
      return live?.createdAt === record.createdAt ? liveView(live, monotonic()) : restView(record)
    })
    return { items: views, next }
  }

  /** How many uploads pass a filter. Rejects with index_unavailable. */
  count(filter: UploadFilter): Promise<number> {
    return this.#tools.records.count(filter, this.#receiving()).catch(unavailable)
  }

  /** Their records are written when a request ends: until then the index says `paused`. */
  #receiving() {
    return new Map([...this.#tools.uploads.receiving()].map((upload) => [upload.id, upload.toRecordAtRest()]))
  }
}

function unavailable(error: unknown): never {
  throw error instanceof RecordsError ? new UploadError('index_unavailable', { cause: error }) : error
}
