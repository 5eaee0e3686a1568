import { join } from 'node:path'
import type { Grant, GrantTerms } from '../../model/grant.js'
import type { Sql } from '../../model/sql.js'
import type { AdminSettings } from './admin-door.js'
import { GrantUses, type GrantUsesTools } from './grant-uses.js'
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
  readonly faults: GrantUsesTools['log']
  /** The database that nodes share; undefined where this server is alone. It is asked when it is needed. */
  readonly sql: () => Sql | undefined
}

/** Builds what decides about access: the gate, the uses of grants, and what issues tokens. */
export async function createAccess(settings: AccessSettings, { faults, sql, ...tools }: AccessTools) {
  const { dataDir, basePath, page, disableDownload } = settings
  const { now } = tools
  const signer = new Signer(join(dataDir, 'lading.key'), sql)
  const signed = { grants: new Grants(signer, now), uploadTokens: new UploadTokens(signer, now) }
  const own = new GrantUses(join(dataDir, 'grants'), { now, log: faults })
  const shared = sharedUses(sql, { now, log: faults })
  const uses = (): Pick<GrantUses, 'take' | 'giveBack'> => (sql() ? shared : own)
  return {
    /** Tells whether a token is a grant of this server, also where its time is over. Rejects with the disk's error. */
    isGrant: (token: string): Promise<boolean> => signed.grants.isSigned(token),
    gate: await createGate(settings, { ...tools, ...signed }),
    grantTools: {
      takeGrant: (grant: Grant, uploadId: string) => uses().take(grant, uploadId),
      returnGrant: (grantId: string, uploadId: string) => uses().giveBack(grantId, uploadId),
    },
    /** What never became a file does not count for a grant; what did counts also after it is removed. */
    uploadEnded: ({ id, grant, sha256 }: EndedUpload): void => {
      if (grant && sha256 === null) uses().giveBack(grant.id, id)
    },
    issuerFor: (findUpload: IssueParts['findUpload']) =>
      new Issuer({ ...signed, basePath, page, disableDownload, findUpload, now }),
  }
}

/** The uses of grants that nodes share. Loads what counts them when it is needed. */
function sharedUses(sql: () => Sql | undefined, tools: GrantUsesTools): Pick<GrantUses, 'take' | 'giveBack'> {
  const load = async (): Promise<Pick<GrantUses, 'take' | 'giveBack'>> => {
    const { SharedGrantUses } = await import('./shared-grant-uses.js')
    const database = sql()
    if (!database) throw new Error('no database is shared')
    return new SharedGrantUses(database, tools)
  }
  let loaded: ReturnType<typeof load> | undefined
  const uses = (): ReturnType<typeof load> => {
    loaded ??= load()
    return loaded
  }
  return {
    take: async (grant, uploadId) => (await uses()).take(grant, uploadId),
    giveBack: (id, uploadId) => {
      uses().then(
        (each) => each.giveBack(id, uploadId),
        (error: unknown) =>
          tools.log.error({ err: error, id: uploadId }, 'the use of a grant could not be given back'),
      )
    },
  }
}
