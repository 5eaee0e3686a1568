import * as v from 'valibot'
import { fromJson } from './from-json.js'
import type { UploadFacts } from './upload-facts.js'

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const text = v.nullable(v.string())

const SidecarSchema = v.object({
  version: v.literal(1),
  id: v.string(),
  createdAt: v.pipe(v.string(), v.isoTimestamp()),
  /** Who created it. */
  owner: v.optional(text, null),
  /** What stays of the grant that it was created with. */
  grant: v.optional(
    v.nullable(
      v.object({
        id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
        accept: v.nullable(v.pipe(v.array(v.string()), v.readonly())),
        maxSize: v.nullable(count),
      }),
    ),
    null,
  ),
  /** The last change of this file; the bytes' own age is the file's. */
  updatedAt: v.pipe(v.string(), v.isoTimestamp()),
  /** Bytes; null while it is deferred. */
  length: v.nullable(count),
  /** Upload-Metadata as the client sent it. */
  metadata: text,
  filename: text,
  declaredType: text,
  /** The type seen in the first bytes; null before it is decided. */
  type: text,
  /** The boot in which this was written; bytes behind the last checkpoint count only within it. */
  bootId: v.string(),
  /** Bytes behind this do not count after any crash: a request under a checksum was writing them. Null: all count. */
  verifiedTo: v.optional(v.nullable(count), null),
  /** Upload-Concat as the client sent it. */
  concat: v.optional(text, null),
  /** The ids of a final upload's parts, in order. */
  parts: v.optional(v.nullable(v.pipe(v.array(v.string()), v.readonly())), null),
  /** When a partial upload was joined into a final one. */
  joinedAt: v.optional(v.nullable(v.pipe(v.string(), v.isoTimestamp())), null),
  /** When its client terminated a partial upload that a final one still needs; it is gone for clients. */
  terminatedAt: v.optional(v.nullable(v.pipe(v.string(), v.isoTimestamp())), null),
  /** Milliseconds without new bytes after which it expires, where a hook said so. */
  expireAfterMs: v.optional(v.nullable(count), null),
  checkpoints: v.array(v.object({ offset: count, sha256 })),
  /** Set by finishing, which happens once. */
  sha256: v.nullable(sha256),
  finishedAt: v.nullable(v.pipe(v.string(), v.isoTimestamp())),
})

/** What is kept of an upload beside its bytes; see the fields' notes. */
type Sidecar = v.InferOutput<typeof SidecarSchema>

/** The sidecar of these facts; `updatedAt` is the time of this writing. */
export function sidecarOf(
  facts: UploadFacts,
  { updatedAt, bootId }: { updatedAt: string; bootId: string },
): Sidecar {
  // Listed plainly: spreads would make a slow object of it, in 40 µs.
  return {
    version: 1,
    id: facts.id,
    createdAt: facts.createdAt,
    owner: facts.owner,
    grant: facts.grant,
    updatedAt,
    length: facts.length,
    metadata: facts.metadata,
    filename: facts.filename,
    declaredType: facts.declaredType,
    type: facts.type,
    bootId,
    verifiedTo: facts.verifiedTo,
    concat: facts.concat,
    parts: facts.parts,
    joinedAt: facts.joinedAt,
    terminatedAt: facts.terminatedAt,
    expireAfterMs: facts.expireAfterMs,
    checkpoints: [...facts.checkpoints],
    sha256: facts.sha256,
    finishedAt: facts.finishedAt,
  }
}

/** A sidecar from its file's text; undefined where the text is torn or is not a sidecar of `id`. */
export function parseSidecar(fileText: string, id: string): Sidecar | undefined {
  const sidecar = fromJson(SidecarSchema, fileText)
  return sidecar?.id === id ? sidecar : undefined
}

/** Tells whether a text is a sidecar of another version of Lading: nothing of it may be touched. */
export function isForeign(fileText: string): boolean {
  const version = /^\{\s*"version":\s*(\d+)/.exec(fileText)?.[1]
  return version !== undefined && version !== '1'
}

/** The text of a sidecar's file. */
export function formatSidecar(sidecar: Sidecar): string {
  return `${JSON.stringify(sidecar, null, 1)}\n`
}
