/** The query without its `?`; '' where there is none. */
export function queryOf(target = ''): string {
  const at = target.indexOf('?')
  return at === -1 ? '' : target.slice(at + 1)
}

/** The absolute form (RFC 9112, section 3.2.2). Some take a backslash for a slash: one before the path is no URL. */
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/[^/\\?#]+(\/[^?#]*)?(?=[?#]|$)/i

/**
 * The path without its query, from both forms a request may have; '' where there is none. It is not resolved: an
 * application that passes requests on has looked at the path as it was sent.
 */
export function pathOf(target = ''): string {
  if (target.startsWith('/')) return target.split('?', 1)[0] ?? ''
  const absolute = ABSOLUTE.exec(target)
  return absolute ? (absolute[1] ?? '/') : ''
}
