/** An event handler of an element. */
const HANDLER = /[\s"'/]on[a-z]{3,}\s*=/i
/** An animation that sets a handler or an address that runs a program. */
const ANIMATED_HANDLER = /attributename\s*=\s*["']?\s*on[a-z]{3}/i
/** A doctype that gives an element a handler. */
const DECLARED_HANDLER = /<!ATTLIST\s(?:"[^"]*"|'[^']*'|[^<>"']){0,400}?\son[a-z]{3,}\s/i
/** A reference that includes another drawing, with its handlers. */
const USED_DRAWING = /<(?:[\w.-]+:)?use\s[^<>]{0,400}?href\s*=\s*["']?\s*data:/i
/** An address that runs a program, or a document that contains one. */
const ACTIVE_ADDRESS = /(?:java|vb)script:|data:(?:text\/(?:html|xml|xsl)|application\/(?:xhtml|xml|xslt))/i
/** An element that runs, or that contains another document. */
const ACTIVE_ELEMENT =
  /<(?:[\w.-]+:)?(?:script|iframe|frame|frameset|embed|object|applet|handler|listener)(?![\w.:-])/i
/** A stylesheet inside the document, which turns it into another document. */
const OWN_STYLESHEET = /<\?xml-stylesheet[^>]*\bhref\s*=\s*["']\s*(?:["'#?]|data:|javascript:)/i
/** Elements and attributes that a stylesheet creates, also with a computed name. */
const MADE_BY_NAME =
  /<(?:[\w.-]+:)?(?:element|attribute)\s[^<>]{0,200}?\bname\s*=\s*(?:"\{[^"]{0,200}'|'\{[^']{0,200}"|["']\s*(?:[\w.-]+:|\{[^"'<>]{0,100}\})?(?:script|iframe|frame|embed|object|applet|on[a-z]{3,})\s*["'])/i
const ACTIVE_NAMESPACE =
  /http:\/\/www\.w3\.org\/(?:1999\/xhtml|2000\/svg|1998\/Math\/MathML|1999\/XSL\/Transform|TR\/WD-xsl)/

const ENTITY = /<!ENTITY\s+(?:%\s+)?([\w.:-]{1,64})\s+(?:"([^"]*)"|'([^']*)')/g
const ENTITY_REFERENCE = /[&%]([\w.:-]{1,64});/g
const CHARACTER_REFERENCE = /&#(?:x([0-9a-f]+)|([0-9]+));?/gi
const NAMED_CHARACTERS: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['colon', ':'],
  ['Tab', '\t'],
  ['NewLine', '\n'],
])
/** Rounds of decoding references to references: more than 512 bytes can hide anything behind. */
const ROUNDS = 4
/** Entities of entities grow without bound. Only the beginning of the decoded text is searched. */
const MOST_CHARACTERS = 4096

/**
 * A text of XML or HTML with its character references decoded and its entities replaced; at most 4096 characters.
 */
export function plain(text: string, document = text): string {
  if (!/[&%]/.test(text)) return text
  const entities = new Map(NAMED_CHARACTERS)
  for (const [, name = '', double, single] of document.matchAll(ENTITY))
    entities.set(name, double ?? single ?? '')
  let now = text
  for (let round = 0; round < ROUNDS; round++) {
    const next = decodeOnce(now, entities).slice(0, MOST_CHARACTERS)
    if (next === now) break
    now = next
  }
  return now
}

function decodeOnce(text: string, entities: ReadonlyMap<string, string>): string {
  let room = MOST_CHARACTERS
  const expanded = text.replace(ENTITY_REFERENCE, (reference, name: string) => {
    const value = entities.get(name)
    if (value === undefined || value.length > room) return reference
    room -= value.length
    return value
  })
  return expanded.replace(CHARACTER_REFERENCE, (_, hex?: string, decimal?: string) => {
    const code = hex === undefined ? Number.parseInt(decimal ?? '', 10) : Number.parseInt(hex, 16)
    return code <= 0x10ffff ? String.fromCodePoint(code) : ''
  })
}

/**
 * Whether a head of SVG or XML has something that runs in a browser: a script, a handler, a frame, an address that runs
 * a program, or a stylesheet that creates one of them. It is read three times: unchanged, decoded, and without control
 * characters, because browsers drop those in addresses.
 */
export function isActive(text: string): boolean {
  const decoded = plain(text)
  return isActiveAsItStands(text) || (decoded !== text && isActiveAsItStands(decoded))
}

function isActiveAsItStands(text: string): boolean {
  if (ACTIVE_ELEMENT.test(text) || HANDLER.test(text) || ANIMATED_HANDLER.test(text)) return true
  if (ACTIVE_ADDRESS.test(text.replace(/\p{Cc}/gu, ''))) return true
  if (USED_DRAWING.test(text)) return true
  return DECLARED_HANDLER.test(text) || OWN_STYLESHEET.test(text) || MADE_BY_NAME.test(text)
}

/**
 * Whether a head of XML names XHTML, SVG, MathML or XSLT, or contains its own stylesheet. Without one of them a browser
 * runs nothing in it.
 */
export function namesActiveNamespace(text: string): boolean {
  return OWN_STYLESHEET.test(text) || ACTIVE_NAMESPACE.test(text) || ACTIVE_NAMESPACE.test(plain(text))
}

/** Whether a tag of HTML has a handler, or an address that runs a program. */
export function findsHandler(tag: string): boolean {
  const decoded = plain(tag)
  return HANDLER.test(decoded) || ACTIVE_ADDRESS.test(decoded.replace(/\p{Cc}/gu, ''))
}

/** Whether a head of another format contains an element of HTML, as in a file that is valid in two formats. */
export function holdsHtml(text: string): boolean {
  return /<(?:!doctype\s+html|(?:html|head|body|script|iframe|svg|img|video|audio|object|embed|meta|link|style|form|input|details|marquee|a|div|math)[\s/>])/i.test(
    text,
  )
}
