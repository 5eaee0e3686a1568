import type { Engine } from '../model/engine.js'

/** A finished upload as a download shows it. */
export interface FinishedUpload {
  readonly length: number
  readonly type: string
  readonly filename: string | null
  /** Lower-case hex. */
  readonly sha256: string
}

/** A finished upload; undefined where there is none, 'unfinished' where it is not finished. Reads none of its bytes. */
export async function findFinished(
  id: string,
  engine: Pick<Engine, 'load'>,
): Promise<FinishedUpload | 'unfinished' | undefined> {
  const found = await engine.load(id)
  if (found.kind !== 'upload') return undefined
  const { sha256, length, type, filename } = found.facts
  if (sha256 === null || length === null) return 'unfinished'
  return { length, type: type ?? 'application/octet-stream', filename, sha256 }
}
