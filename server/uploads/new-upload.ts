import type { FileStore } from '@tus/file-store'
import type { Creation } from '../model/creation.js'
import type { Engine } from '../model/engine.js'
import { grantTermsOf, ownerOf, type Principal } from '../model/principal.js'
import type { NewFinal } from '../model/shared-finals.js'
import { finalKeyText } from './joining/final-key.js'
import { StoredUpload } from './upload.js'

/** An upload in the form that @tus/server has. */
export type TusUpload = Parameters<FileStore['create']>[0]

interface Begun {
  readonly id: string
  /** Null where it is deferred. */
  readonly length: number | null
  /** A checksum comes with its first bytes. */
  readonly isChecked: boolean
  readonly principal: Principal
}

/** An upload that begins now. */
export function newUpload(
  { id, length, isChecked, principal }: Begun,
  creation: Creation,
  { engine, now }: { readonly engine: Pick<Engine, 'addressOf'>; readonly now: () => number },
): StoredUpload {
  const { concat, metadata, filename, declaredType } = creation
  const facts = {
    id,
    owner: ownerOf(principal),
    grant: grantTermsOf(principal),
    length,
    metadata,
    filename,
    declaredType,
    concat: concat?.header ?? null,
    parts: concat?.parts ?? null,
    createdAt: new Date(now()).toISOString(),
    touchedAtMs: now(),
    type: null,
    offset: 0,
    checkpoints: [],
    sha256: null,
    finishedAt: null,
    joinedAt: null,
    terminatedAt: null,
    expireAfterMs: creation.expireAfterMs,
    verifiedTo: isChecked ? 0 : null,
    isCurrent: true,
  }
  const upload = new StoredUpload(facts, engine.addressOf(id))
  upload.markNew()
  return upload
}

/** What a storage that nodes share keeps of a final upload; undefined for any other. */
export function newFinal(upload: StoredUpload, { concat }: Creation): NewFinal | undefined {
  return concat?.parts ? { key: finalKeyText(upload), client: concat.client } : undefined
}

/** An upload in the form @tus/server asks for; a deferred length is no size. */
export function tusUpload({ id, offset }: StoredUpload, length: number | null): TusUpload {
  return {
    id,
    offset,
    size: length ?? undefined,
    sizeIsDeferred: length === null,
    metadata: undefined,
    storage: undefined,
    creation_date: undefined,
  }
}
