import { readFile, stat } from 'node:fs/promises'
import type { Owned } from '../model/principal.js'
import { isSameBoot } from './boot.js'
import { isUploadId, pathsOf } from './paths.js'
import { settleOffset } from './settle.js'
import { isForeign, parseSidecar } from './sidecar.js'
import { StoredUpload, type UploadFacts } from './upload.js'

/**
 * What lies on the disk of an upload: `torn` where there are bytes but no sidecar that can be read, `foreign`
 * where the sidecar is of another version of Lading.
 */
export type OnDisk =
  | { readonly kind: 'missing' }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'torn'; readonly fileBytes: number; readonly touchedAtMs: number }
  | { readonly kind: 'upload'; readonly upload: StoredUpload; readonly fileBytes: number }

/** Reads an upload from its two files and changes nothing. Rejects with the disk's error. */
export async function readUpload(dataDir: string, id: string, bootId: string): Promise<OnDisk> {
  if (!isUploadId(id)) return { kind: 'missing' }
  const paths = pathsOf(dataDir, id)
  const [text, file] = await Promise.all([
    unlessMissing(readFile(paths.sidecar, 'utf8')),
    unlessMissing(stat(paths.file)),
  ])
  if (!file?.isFile()) return { kind: 'missing' }
  const fileBytes = file.size
  if (text !== undefined && isForeign(text)) return { kind: 'foreign' }
  const facts = text === undefined ? undefined : factsOf(text, id, bootId, file)
  if (!facts) return { kind: 'torn', fileBytes, touchedAtMs: file.mtimeMs }
  return { kind: 'upload', upload: new StoredUpload(facts, paths), fileBytes }
}

/** A finished upload as a download needs it; undefined where there is none that `isThere` accepts. */
export async function readFinished(
  dataDir: string,
  id: string,
  { bootId, isThere }: { bootId: string; isThere: (upload: Owned) => boolean },
) {
  const found = await readUpload(dataDir, id, bootId)
  if (found.kind !== 'upload' || !isThere(found.upload)) return undefined
  return finishedFile(found.upload)
}

function finishedFile({ sha256, type, length, filename, paths }: StoredUpload) {
  if (sha256 === null || length === null) return 'unfinished'
  return { file: paths.file, length, type: type ?? 'application/octet-stream', filename, sha256 }
}

function factsOf(
  text: string,
  id: string,
  bootId: string,
  file: { size: number; mtimeMs: number },
): UploadFacts | undefined {
  const sidecar = parseSidecar(text, id)
  if (!sidecar) return undefined
  const sameBoot = isSameBoot(sidecar.bootId, bootId)
  const offset = settleOffset({
    ...sidecar,
    sameBoot,
    fileBytes: file.size,
    isFinal: sidecar.parts !== null,
  })
  const finished = sidecar.sha256 !== null && offset === sidecar.length && file.size === offset
  const checkpoints = sidecar.checkpoints.filter((checkpoint) => checkpoint.offset <= offset)
  // The type was seen in bytes that may not be there any more.
  const type = offset < TYPE_SEEN_BYTES && !finished ? null : sidecar.type
  const touchedAtMs = Math.max(file.mtimeMs, Date.parse(sidecar.createdAt))
  return { ...sidecar, ...(finished ? {} : UNFINISHED), checkpoints, type, offset, touchedAtMs }
}

const TYPE_SEEN_BYTES = 512
const UNFINISHED = { sha256: null, finishedAt: null }

/** What was found, or undefined where there is no such file. Rejects with the system's other errors. */
export async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
