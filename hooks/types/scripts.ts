/** An event handler of an element. */
const HANDLER = /[\s"'/]on[a-z]{3,}\s*=/i
/** An animation that makes a handler or an address of a program. */
const ANIMATED_HANDLER = /attributename\s*=\s*["']?\s*on[a-z]{3}/i
/** A doctype that gives an element a handler. */
const DECLARED_HANDLER = /<!ATTLIST\s(?:"[^"]*"|'[^']*'|[^<>"']){0,400}?\son[a-z]{3,}\s/i
/** A drawing that becomes part of this one, with its handlers. */
const USED_DRAWING = /<(?:[\w.-]+:)?use\s[^<>]{0,400}?href\s*=\s*["']?\s*data:/i
/** An address that is a program, or a document that holds one. */
const ACTIVE_ADDRESS = /(?:java|vb)script:|data:(?:text\/(?:html|xml|xsl)|application\/(?:xhtml|xml|xslt))/i
/** An element that runs, or that holds a document of its own. */
const ACTIVE_ELEMENT =
  /<(?:[\w.-]+:)?(?:script|iframe|frame|frameset|embed|object|applet|handler|listener)(?![\w.:-])/i
/** A stylesheet in the document itself makes a new document of it. */
const OWN_STYLESHEET = /<\?xml-stylesheet[^>]*\bhref\s*=\s*["']\s*(?:["'#?]|data:|javascript:)/i
/** Elements and attributes that a stylesheet makes by name, by a name that it computes from words too. */
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
/** References to references: more rounds than a reader of 512 bytes could hide anything in. */
const ROUNDS = 4
/** Entities of entities grow without bound; what runs stands near the beginning of what they grow to. */
const MOST_CHARACTERS = 4096

/**
 * A text of XML or HTML with its character references decoded and the entities of its document put in, to at
 * most 4096 characters.
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
 * Whether a head of SVG or XML has what runs in a browser: a script, a handler, a frame, an address that is a
 * program, or a stylesheet that makes one of them. It is read as it stands, decoded, and without the control
 * characters that a reader of addresses drops.
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
 * Whether a head of XML names XHTML, SVG, MathML or XSLT, or brings its own stylesheet: without one of them a
 * browser runs nothing in it.
 */
export function namesActiveNamespace(text: string): boolean {
  return OWN_STYLESHEET.test(text) || ACTIVE_NAMESPACE.test(text) || ACTIVE_NAMESPACE.test(plain(text))
}

/** Whether a tag of HTML has a handler, or an address that is a program. */
export function findsHandler(tag: string): boolean {
  const decoded = plain(tag)
  return HANDLER.test(decoded) || ACTIVE_ADDRESS.test(decoded.replace(/\p{Cc}/gu, ''))
}

/** Whether a head of another format has an element of HTML in it, as a file has that is two things at once. */
export function holdsHtml(text: string): boolean {
  return /<(?:!doctype\s+html|(?:html|head|body|script|iframe|svg|img|video|audio|object|embed|meta|link|style|form|input|details|marquee|a|div|math)[\s/>])/i.test(
    text,
  )
}
