import { parseSidecar } from '../model/sidecar.js'
import { Assembly, type AssemblyTools } from './assembly.js'
import { Draft } from './draft.js'
import { DraftBytes } from './draft-bytes.js'
import { type DigestWriter, DraftDigest } from './draft-digest.js'
import type { Kept } from './ledger.js'
import { storedBytes } from './object-bytes.js'
import { presentBytes } from './presence.js'
import { Spool } from './spool.js'
import type { SpoolWriter } from './spool-writer.js'

export interface NewDraftTools extends AssemblyTools {
  /** The scratch folder. */
  readonly scratch: string
  /** The threads that have files open, and digests. */
  readonly writer: DigestWriter & Pick<SpoolWriter, 'closeFile'>
}

/** The draft of an upload, as it is stored. */
export function newDraft(kept: Kept, tools: NewDraftTools): Draft {
  const { scratch, writer, bucket, keyOf } = tools
  const { id } = kept
  const key = keyOf(id)
  const assembly = new Assembly(kept, tools)
  const spool = new Spool(scratch, id, assembly.stored, () => writer.closeFile(id))
  const stored: ConstructorParameters<typeof DraftBytes>[0]['stored'] = (now, range) =>
    storedBytes(now, key, bucket, range)
  const bytes = new DraftBytes({ assembly, spool, stored })
  const draft = new Draft({
    ...{ assembly, spool, bytes },
    digest: new DraftDigest({ id, writer, scratch, bytes }),
    present: (now) => presentBytes(now, key, bucket),
  })
  draft.setFacts(parseSidecar(kept.facts, id) ?? { length: null, checkpoints: [] })
  return draft
}
