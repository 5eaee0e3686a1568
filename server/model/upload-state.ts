import type { UploadRecord } from './record.js'

/** An upload as the API shows it: its record, and its speed while it receives; 0 else. */
export type UploadState = UploadRecord & { readonly bytesPerSecond: number }

/** An upload that does not receive, as the API shows it. */
export function restView(record: UploadRecord): UploadState {
  return { ...record, bytesPerSecond: 0 }
}

/** The uploads whose state is newer than the index has it. */
export interface LiveUploads {
  /** The newest state of an upload; undefined where the index has it. */
  peek(id: string): UploadState | undefined
  /** Those that receive a body now, or are being joined. */
  receiving(): readonly UploadState[]
  /** Those whose state is not in the index yet, the receiving ones among them. */
  newer(): ReadonlyMap<string, UploadState>
}

/** An upload that has a slot, as `GET /api/status` shows it. */
export type ActiveUpload = Pick<
  UploadState,
  'id' | 'filename' | 'type' | 'offset' | 'length' | 'bytesPerSecond'
>
