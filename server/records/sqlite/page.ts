import type { UploadRecord } from '../../model/record.js'
import { bytesOf } from '../queue.js'

const PAGE_BYTES = 256 * 1024

/** The first rows, up to 256 KiB and one row: where metadata is long, a page has few rows. */
export function page(rows: Iterable<UploadRecord>): UploadRecord[] {
  const taken: UploadRecord[] = []
  let bytes = 0
  for (const row of rows) {
    taken.push(row)
    bytes += bytesOf(row)
    if (bytes >= PAGE_BYTES) break
  }
  return taken
}
