interface Together {
  readonly corsOrigins: readonly string[]
  readonly corsAllowCredentials: boolean
  readonly authJwks: string | null
  readonly authSecret: string | null
  readonly authIssuer: string | null
  readonly authAudience: string | null
  readonly storage: string
  readonly database: string
  readonly clusterSlots: number | 'off'
}

type Rule = readonly [isBroken: (settings: Together) => boolean, message: string]

/** Settings that only make sense together, or not together. */
const RULES: readonly Rule[] = [
  [
    ({ storage, database }) => storage !== 'files' && database === 'sqlite',
    '--storage s3://… needs --database postgres://…, which keeps where the bytes are',
  ],
  [
    ({ storage, clusterSlots }) => storage === 'files' && clusterSlots !== 'off',
    '--cluster-slots needs --storage s3://…: the files of a data folder belong to one server',
  ],
  [
    // Any page could act for whoever visits it. Browsers refuse the pair too.
    ({ corsOrigins, corsAllowCredentials }) => corsAllowCredentials && corsOrigins.includes('*'),
    '--cors-allow-credentials needs --cors-origin with named origins, not *',
  ],
  [
    ({ authJwks, authSecret }) => authJwks !== null && authSecret !== null,
    '--auth-jwks and --auth-secret are both given; only one may be, because the kind of key fixes the algorithms',
  ],
  [
    (settings) => settings.authIssuer !== null && !asksForTokens(settings),
    '--auth-issuer needs --auth-jwks or --auth-secret',
  ],
  [
    (settings) => settings.authAudience !== null && !asksForTokens(settings),
    '--auth-audience needs --auth-jwks or --auth-secret',
  ],
]

/** What is wrong with the settings together, in one line; undefined where nothing is. */
export function conflictIn(settings: Together): string | undefined {
  return RULES.find(([isBroken]) => isBroken(settings))?.[1]
}

function asksForTokens({ authJwks, authSecret }: Together): boolean {
  return authJwks !== null || authSecret !== null
}
