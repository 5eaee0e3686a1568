/** The query without its `?`; '' where there is none. */
export function queryOf(target = ''): string {
  const at = target.indexOf('?')
  return at === -1 ? '' : target.slice(at + 1)
}

/** The path without its query, from both forms a request may have; '' where there is none. */
export function pathOf(target = ''): string {
  if (target.startsWith('/')) return target.split('?', 1)[0] ?? ''
  return URL.canParse(target) ? new URL(target).pathname : ''
}
