import type { UploadRecord } from '../model/record.js'
import type { ReindexResult } from '../model/record-store.js'

interface ReindexSteps {
  /** Queues a sidecar's record; waits while the queue is half full. */
  readonly restore: (record: UploadRecord) => Promise<void>
  /** Resolves once what is queued now is in the database. */
  readonly flush: () => Promise<unknown>
  /** The next rows of uploads that have files, by id; an empty page is the end. */
  readonly withFiles: (afterId: string) => Promise<readonly UploadRecord[]>
  /** Deletes rows; resolves with their number. */
  readonly remove: (ids: readonly string[]) => Promise<number>
}

/** Queues every sidecar's record, then deletes the rows whose files are gone. Rejects as the arguments do. */
export async function rebuild(
  sidecars: AsyncIterable<UploadRecord>,
  isKept: (record: UploadRecord) => Promise<boolean>,
  steps: ReindexSteps,
): Promise<ReindexResult> {
  let restored = 0
  for await (const record of sidecars) {
    await steps.restore(record)
    restored += 1
  }
  await steps.flush()
  return { restored, removed: await removeLost(isKept, steps) }
}

async function removeLost(
  isKept: (record: UploadRecord) => Promise<boolean>,
  { withFiles, remove }: ReindexSteps,
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
