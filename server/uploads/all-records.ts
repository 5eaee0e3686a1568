import type { Engine } from '../model/engine.js'
import type { UploadRecord } from '../model/record.js'
import { loadUpload } from './load-upload.js'

/** The records of all uploads for a reindex, as their facts tell them. */
export async function* allRecords(
  engine: Pick<Engine, 'list' | 'load' | 'addressOf'>,
): AsyncGenerator<UploadRecord> {
  for await (const entries of engine.list()) {
    for (const { id, kind } of entries) {
      const found = kind === 'bytes' ? await loadUpload(engine, id) : undefined
      if (found?.kind === 'upload') yield found.upload.toRecordAtRest()
    }
  }
}
