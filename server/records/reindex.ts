import type { UploadRecord } from '../model/record.js'
import type { ReindexResult } from './records.js'

export interface ReindexTools {
  /** Queues what a sidecar says; waits while the queue is half full. */
  readonly restore: (record: UploadRecord) => Promise<void>
  /** Resolves once what is queued now is in the database. */
  readonly flush: () => Promise<unknown>
  /** The next rows of uploads that have files, by id; an empty page is the end. */
  readonly withFiles: (afterId: string) => Promise<readonly UploadRecord[]>
  /** Deletes rows; gives their number. */
  readonly remove: (ids: readonly string[]) => Promise<number>
}

/** Puts every sidecar into the index, then removes the rows whose files are gone. Rejects as the tools do. */
export async function rebuild(
  sidecars: AsyncIterable<UploadRecord>,
  isKept: (record: UploadRecord) => Promise<boolean>,
  tools: ReindexTools,
): Promise<ReindexResult> {
  let restored = 0
  for await (const record of sidecars) {
    await tools.restore(record)
    restored += 1
  }
  await tools.flush()
  return { restored, removed: await removeLost(isKept, tools) }
}

async function removeLost(
  isKept: (record: UploadRecord) => Promise<boolean>,
  { withFiles, remove }: ReindexTools,
): Promise<number> {
  let removed = 0
  for (let rows = await withFiles(''); rows.length > 0; rows = await withFiles(rows.at(-1)?.id ?? '')) {
    const lost: string[] = []
    // One at a time: each look at the disk opens a file.
    for (const row of rows) if (!(await isKept(row))) lost.push(row.id)
    if (lost.length > 0) removed += await remove(lost)
  }
  return removed
}
