/** The tokens that the server signs and that stand in a query: their names, and the form of each. */
const FORMS = {
  link: /^\d{1,12}\.\d{1,15}\.[\w-]+$/,
  key: /^[0-9a-f]{32}\.[\w-]+$/,
  grant: /^lg_/,
} as const
export type SignedName = keyof typeof FORMS
const NAMES = ['link', 'key', 'grant'] as const satisfies readonly SignedName[]

/** A token in a query, and whether it has the form of one: a client may have words of its own under these names. */
export interface QueryToken {
  readonly name: SignedName
  readonly token: string
  readonly hasForm: boolean
}

/** The token in a query, one that has the form of a token first; undefined where none of the names is there. */
export function tokenIn(query: string): QueryToken | undefined {
  const values = new URLSearchParams(query)
  const found = NAMES.flatMap((name) => {
    const token = values.get(name)
    return token === null ? [] : [{ name, token, hasForm: FORMS[name].test(token) }]
  })
  return found.find(({ hasForm }) => hasForm) ?? found[0]
}

/** A head has room for 64,000 pairs. To look into each would hold up other requests for longer than its turn. */
const MOST_PAIRS = 1_000

/**
 * A request's target without the tokens in its query; all else stays as it was sent. A query of more than a thousand
 * pairs is left out.
 */
export function withoutTokens(target: string): string {
  const at = target.indexOf('?')
  if (at === -1) return target
  const pairs = target.slice(at + 1).split('&', MOST_PAIRS + 1)
  if (pairs.length > MOST_PAIRS) return target.slice(0, at)
  const kept = pairs.filter((pair) => !tokenIn(pair)?.hasForm)
  return target.slice(0, at) + (kept.length > 0 ? `?${kept.join('&')}` : '')
}
