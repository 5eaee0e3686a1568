import type { Engine, Loaded } from '../model/engine.js'
import { StoredUpload } from './upload.js'

/** What is stored of an upload, as the engine tells it. */
export type OnStorage =
  | Exclude<Loaded, { kind: 'upload' }>
  | { readonly kind: 'upload'; readonly upload: StoredUpload; readonly storedBytes: number }

/** Reads an upload from the engine; it does not come into memory. Rejects as the engine does. */
export async function loadUpload(engine: Pick<Engine, 'load' | 'addressOf'>, id: string): Promise<OnStorage> {
  const found = await engine.load(id)
  if (found.kind !== 'upload') return found
  const upload = new StoredUpload(found.facts, engine.addressOf(id))
  return { kind: 'upload', upload, storedBytes: found.storedBytes }
}
