import { randomUUID } from 'node:crypto'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from '../errors.js'

/**
 * Runs `work` with a file that has these bytes where they stand in the upload, from `from` on, so that a thread can read
 * them; the file is removed afterwards. Rejects as the bytes and `work` do.
 */
export async function withFetched<T>(
  folder: string,
  fetched: { readonly from: number; readonly pieces: AsyncIterable<Buffer> },
  work: (path: string, to: number) => Promise<T>,
): Promise<T> {
  const path = join(folder, `fetched-${randomUUID()}`)
  const file = await open(path, 'wx', 0o640)
  try {
    let at = fetched.from
    try {
      for await (const piece of fetched.pieces) {
        const { bytesWritten } = await file.write(piece, 0, piece.length, at)
        at += bytesWritten
      }
    } finally {
      await file.close()
    }
    return await work(path, at)
  } finally {
    await unlink(path).catch(unlessMissing)
  }
}
