import * as v from 'valibot'
import { fromJson } from '../../model/from-json.js'
import { factsOf, formatMetadata } from '../../model/metadata.js'
import type { UploadFacts } from '../../model/upload-facts.js'

const InfoSchema = v.object({
  ID: v.string(),
  Size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  SizeIsDeferred: v.optional(v.boolean(), false),
  MetaData: v.nullish(v.record(v.string(), v.string())),
  IsPartial: v.optional(v.boolean(), false),
  IsFinal: v.optional(v.boolean(), false),
  PartialUploads: v.nullish(v.array(v.string())),
  Storage: v.nullish(v.record(v.string(), v.unknown())),
})

/** What tusd keeps of an upload beside its bytes, in `<id>.info`. The offset is the size of the file. */
export type TusdInfo = v.InferOutput<typeof InfoSchema>

/** Reads an `.info`; undefined where the text is torn or is none. */
export function parseInfo(text: string): TusdInfo | undefined {
  return fromJson(InfoSchema, text)
}

/** What is known of the bytes of an upload. */
export interface SeenBytes {
  readonly bytes: number
  /** Lower-case hex, of all of them. */
  readonly sha256: string
  /** Milliseconds since 1970. */
  readonly createdAtMs: number
  readonly changedAtMs: number
  /** The type by the first bytes; null where it is still to be decided. */
  readonly type: string | null
}

/** Tells whether an upload has all its bytes and is a file of its own. A partial upload never is. */
export function isFinished(info: TusdInfo, bytes: number): boolean {
  return !info.IsPartial && !info.SizeIsDeferred && bytes === info.Size
}

/** The facts of an upload of tusd, in our form. `basePath` is where its parts had their addresses. */
export function factsOfInfo(info: TusdInfo, seen: SeenBytes, basePath: string): UploadFacts {
  const { bytes, sha256, type, createdAtMs, changedAtMs } = seen
  const finished = isFinished(info, bytes)
  const parts = info.IsFinal ? (info.PartialUploads ?? []) : null
  const final = `final;${(parts ?? []).map((id) => `${basePath}/${id}`).join(' ')}`
  return {
    id: info.ID,
    createdAt: new Date(Math.min(createdAtMs, changedAtMs)).toISOString(),
    owner: null,
    grant: null,
    length: info.SizeIsDeferred ? null : info.Size,
    ...factsOf(metadataOf(info).raw ?? undefined),
    type,
    verifiedTo: null,
    concat: parts ? final : info.IsPartial ? 'partial' : null,
    parts,
    joinedAt: null,
    terminatedAt: null,
    expireAfterMs: null,
    checkpoints: finished || bytes === 0 ? [] : [{ offset: bytes, sha256 }],
    sha256: finished ? sha256 : null,
    finishedAt: finished ? new Date(changedAtMs).toISOString() : null,
  }
}

/** Upload-Metadata as a client would send it, and the keys that it cannot have: too long, or with a space. */
export function metadataOf({ MetaData }: TusdInfo): { raw: string | null; dropped: readonly string[] } {
  const kept: Record<string, string> = {}
  const dropped: string[] = []
  for (const [key, value] of Object.entries(MetaData ?? {})) {
    try {
      formatMetadata({ ...kept, [key]: value })
      kept[key] = value
    } catch {
      // No header can have it: the key is none, or there is more than 8 KiB.
      dropped.push(key)
    }
  }
  return { raw: formatMetadata(kept), dropped }
}
