import { join } from 'node:path'
import type { Grant, GrantTerms } from '../../model/grant.js'
import type { AdminSettings } from './admin-door.js'
import { GrantUses } from './grant-uses.js'
import { Grants } from './grants.js'
import { type IssueParts, Issuer } from './issue.js'
import { createGate, type GateTools } from './keyed-gate.js'
import { Signer } from './signer.js'
import type { TokenSettings } from './token-check.js'
import { UploadTokens } from './upload-tokens.js'

export interface AccessSettings extends AdminSettings, TokenSettings {
  readonly dataDir: string
  readonly basePath: string
  readonly page: boolean
  readonly disableDownload: boolean
}

interface EndedUpload {
  readonly id: string
  readonly grant: GrantTerms | null
  readonly sha256: string | null
}

type AccessTools = Pick<GateTools, 'log' | 'now' | 'monotonic'> & {
  readonly faults: ConstructorParameters<typeof GrantUses>[1]['log']
}

/** Builds what decides about access: the gate, the uses of grants, and what issues tokens. */
export async function createAccess(settings: AccessSettings, { faults, ...tools }: AccessTools) {
  const { dataDir, basePath, page, disableDownload } = settings
  const { now } = tools
  const signer = new Signer(join(dataDir, 'lading.key'))
  const signed = { grants: new Grants(signer, now), uploadTokens: new UploadTokens(signer, now) }
  const grantUses = new GrantUses(join(dataDir, 'grants'), { now, log: faults })
  return {
    /** Tells whether a token is a grant of this server, also where its time is over. Rejects with the disk's error. */
    isGrant: (token: string): Promise<boolean> => signed.grants.isSigned(token),
    gate: await createGate(settings, { ...tools, ...signed }),
    grantTools: {
      takeGrant: (grant: Grant, uploadId: string) => grantUses.take(grant, uploadId),
      returnGrant: (grantId: string, uploadId: string) => grantUses.giveBack(grantId, uploadId),
    },
    /** What never became a file does not count for a grant; what did counts also after it is removed. */
    uploadEnded: ({ id, grant, sha256 }: EndedUpload): void => {
      if (grant && sha256 === null) grantUses.giveBack(grant.id, id)
    },
    issuerFor: (findUpload: IssueParts['findUpload']) =>
      new Issuer({ ...signed, basePath, page, disableDownload, findUpload, now }),
  }
}
