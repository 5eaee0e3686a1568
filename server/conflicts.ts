interface Together {
  readonly authJwks: string | null
  readonly authSecret: string | null
  readonly authIssuer: string | null
  readonly authAudience: string | null
}

type Rule = readonly [isBroken: (settings: Together) => boolean, message: string]

/** Settings that only make sense together, or not together. */
const RULES: readonly Rule[] = [
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
