const MOST_BYTES = 255
/** What follows the last dot of a name is kept where the name is cut, if it is no longer than this. */
const MOST_EXTENSION_BYTES = 32
/** Control characters, and those that change the direction of what follows: with them `exe.gpj` reads as `jpg.exe`. */
const HIDDEN = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu
/** What RFC 8187, section 3.2.1 does not allow unencoded and encodeURIComponent leaves. */
const LEFT_UNENCODED = /['()*]/g

/**
 * The value of Content-Disposition (RFC 6266): the name by RFC 8187, and an ASCII name beside it for clients that know
 * no other. Of a path only the last part counts (RFC 6266, section 4.3).
 */
export function contentDisposition(type: 'inline' | 'attachment', filename: string | null): string {
  const name = safeName(filename ?? '')
  return `${type}; filename="${asciiName(name)}"; filename*=UTF-8''${encoded(name)}`
}

/** A name that can be a file's on every system; `download` where nothing is left of it. */
function safeName(filename: string): string {
  // A lone surrogate has no UTF-8 and becomes U+FFFD.
  const text = Buffer.from(filename).toString().replaceAll(HIDDEN, '')
  const last = text.split(/[/\\]/).findLast((part) => part.trim() !== '') ?? ''
  const name = shortened(last.trim())
  return /^[.\s]*$/.test(name) ? 'download' : name
}

function shortened(name: string): string {
  if (Buffer.byteLength(name) <= MOST_BYTES) return name
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 ? name.slice(dot) : ''
  const kept = Buffer.byteLength(extension) <= MOST_EXTENSION_BYTES ? extension : ''
  const most = MOST_BYTES - Buffer.byteLength(kept)
  let start = ''
  let bytes = 0
  for (const character of name.slice(0, name.length - kept.length)) {
    bytes += Buffer.byteLength(character)
    if (bytes > most) break
    start += character
  }
  return start + kept
}

/**
 * The name in ASCII, without what clients take for an escape or an end of a quoted string: some decode `%41`, some stop
 * at `\"`.
 */
function asciiName(name: string): string {
  const plain = name.normalize('NFKD').replaceAll(/\p{M}/gu, '')
  const ascii = plain.replaceAll(/[^ -~]/gu, '_').replaceAll(/["%*/:<>?\\|]/g, '_')
  return /^[.\s]*$/.test(ascii) ? 'download' : ascii
}

function encoded(name: string): string {
  return encodeURIComponent(name).replaceAll(LEFT_UNENCODED, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  })
}
