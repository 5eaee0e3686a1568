import type { Sight } from './families.js'
import { findsHandler, isActive, namesActiveNamespace, plain } from './scripts.js'

/** Elements that begin a document or run something: a file that begins with one is HTML, whatever it is called. */
const DOCUMENT_TAGS = new Set(
  'html head body script style iframe frame frameset noframes meta base embed applet noscript isindex'.split(
    ' ',
  ),
)
/**
 * The other elements of HTML, old ones too. Markdown begins with them, and documents of XML have elements of
 * the same names.
 */
const FLOW_TAGS = new Set(
  [
    'a abbr acronym address area article aside audio b basefont bdi bdo bgsound big blink blockquote br button',
    'canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em',
    'fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 header hgroup hr i image img input ins kbd',
    'keygen label legend li link listing main map mark marquee math menu meter multicol nav nobr noembed object',
    'ol optgroup option output p param picture plaintext pre progress q rp rt ruby s samp search section select',
    'slot small source spacer span strike strong sub summary sup table tbody td template textarea tfoot th',
    'thead time title tr track tt u ul var video wbr xmp',
  ].flatMap((line) => line.split(' ')),
)

const XHTML_NAMESPACE = 'http://www.w3.org/1999/xhtml'
const XHTML_BY_DEFAULT = /\sxmlns\s*=\s*["']http:\/\/www\.w3\.org\/1999\/xhtml["']/
const OTHER_NAMESPACE = /\sxmlns\s*=\s*["'](?!http:\/\/www\.w3\.org\/(?:1999\/xhtml|2000\/svg))[^"']/

const SPACE = /[\s\p{Cc}]*/uy
const XML_DECLARATION = /<\?xml\s/y
const HTML_DOCTYPE = /<!doctype\s*html\b/iy
const SVG_DOCTYPE = /<!doctype\s+(?:[\w.-]+:)?svg\b/iy
const TAG = /<((?:[\w.-]+:)?)([a-z][\w.-]*)(?=[\s/>]|$)/iy

/** A tag up to its end; a `>` in a quoted value does not end it. */
const TAG_TEXT = /(?:"[^"]*"|'[^']*'|[^"'>])*/y

const XHTML: Sight = { type: 'application/xhtml+xml', openness: 'text', family: null, danger: null }
const HTML: Sight = { type: 'text/html', openness: 'text', family: null, danger: null }

/** What the declared type or the name says, for cases that the first tag does not decide. */
export interface Called {
  /** Markdown has tags and comments of HTML, and is not HTML. */
  readonly markdown: boolean
  readonly xml: boolean
  readonly svg: boolean
}

/**
 * Finds HTML, XHTML, SVG and XML by the first tag after white space, comments and declarations.
 *
 * Only the first tag makes HTML: a `<script` in the middle of prose is prose. SVG and XML are active when the
 * head has a script, a handler or a `javascript:` address. The rest of the file is not read, so whoever serves such a
 * file must also keep it from running.
 *
 * @param text the decoded head
 * @returns null if it is not markup
 */
export function seeMarkup(text: string, called: Called): Sight | null {
  // HTML and XML end declarations and comments differently, so a tag may be visible to one and hidden from the other.
  return (
    seeAfter(readProlog(text, HTML_ENDS), text, called) ?? seeAfter(readProlog(text, XML_ENDS), text, called)
  )
}

function seeAfter(prolog: Prolog | null, text: string, called: Called): Sight | null {
  if (prolog === null) return null
  const { isXml, isSvg, at, end } = prolog
  if (end === 'html doctype') return isXml ? XHTML : HTML
  const tag = end === 'content' ? readTag(text, at) : null
  if (tag !== null) return seeRoot(text, tag, isXml, called)
  // The head ends before the root element, for example in a licence or in the entities of a drawing program.
  if (end !== 'content' && (isSvg || (called.svg && (isXml || end === 'open comment'))))
    return svg(isActive(text))
  if (end === 'open comment' && !isXml && !called.xml) return called.markdown ? null : HTML
  return isXml ? seeXml(text, null) : null
}

function seeRoot(text: string, tag: Tag, isXml: boolean, called: Called): Sight | null {
  if (tag.name === 'svg') return svg(isActive(text))
  if (isXml) return seeXml(text, tag)
  if (isHtml(tag, called)) return HTML
  const sight = seeXml(text, tag)
  return sight.danger !== null || sight === XHTML ? sight : null
}

interface Tag {
  readonly name: string
  readonly prefix: string
  /** The whole tag, or as much of it as is there. */
  readonly text: string
}

function readTag(text: string, at: number): Tag | null {
  TAG.lastIndex = at
  const match = TAG.exec(text)
  if (match === null) return null
  const [, prefix = '', name = ''] = match
  TAG_TEXT.lastIndex = at
  const end = Math.max(text.indexOf('>', at), at + (TAG_TEXT.exec(text)?.[0].length ?? 0))
  return { prefix, name: name.toLowerCase(), text: text.slice(at, end) }
}

function isHtml({ name, prefix, text }: Tag, { markdown, xml }: Called): boolean {
  if (prefix !== '') return false
  if (DOCUMENT_TAGS.has(name) || findsHandler(text)) return true
  return FLOW_TAGS.has(name) && !markdown && !xml && !OTHER_NAMESPACE.test(text)
}

function seeXml(text: string, root: Tag | null): Sight {
  const isStylesheet = root?.name === 'stylesheet' || root?.name === 'transform'
  if (root !== null && !isStylesheet && isXhtml(root, text)) return XHTML
  return xml(isActive(text) && namesActiveNamespace(text) ? 'XML with a script in it' : null)
}

/** Whether the root is an element of XHTML: by its name, by default, or by its prefix. */
function isXhtml(root: Tag, text: string): boolean {
  if (root.name === 'html') return true
  const tag = plain(root.text, text)
  if (root.prefix === '') return XHTML_BY_DEFAULT.test(tag)
  const declaration = tag.indexOf(`xmlns:${root.prefix.slice(0, -1)}`)
  return declaration >= 0 && tag.slice(declaration).split(/["']/, 2)[1] === XHTML_NAMESPACE
}

function svg(active: boolean): Sight {
  const danger = active ? 'an SVG image with a script in it' : null
  return { type: 'image/svg+xml', openness: 'text', family: null, danger }
}

function xml(danger: string | null): Sight {
  return { type: 'application/xml', openness: 'text', family: danger === null ? 'xml' : null, danger }
}

interface Prolog {
  readonly isXml: boolean
  /** Whether a doctype says so. */
  readonly isSvg: boolean
  /** Index of the text that ended it. */
  readonly at: number
  readonly end: 'content' | 'html doctype' | 'open comment' | 'open declaration'
}

/** Where a comment or a declaration ends; -1 if it does not end in this text. */
interface Ends {
  comment(text: string, at: number): number
  declaration(text: string, at: number): number
}
const HTML_ENDS: Ends = { comment: endOfComment, declaration: endOfDeclaration }
const XML_ENDS: Ends = { comment: endOfXmlComment, declaration: endOfXmlDeclaration }

/** Steps over white space, comments and declarations; null if the text does not begin with `<`. */
function readProlog(text: string, ends: Ends): Prolog | null {
  let at = skipSpace(text, 0)
  if (text[at] !== '<') return null
  let isXml = false
  let isSvg = false
  while (text[at] === '<' && '!?/'.includes(text[at + 1] ?? ' ')) {
    if (startsAt(HTML_DOCTYPE, text, at)) return { isXml, isSvg, at, end: 'html doctype' }
    isXml ||= startsAt(XML_DECLARATION, text, at)
    isSvg ||= startsAt(SVG_DOCTYPE, text, at)
    const isComment = text.startsWith('<!--', at)
    const next = isComment ? ends.comment(text, at) : ends.declaration(text, at)
    if (next < 0) return { isXml, isSvg, at, end: isComment ? 'open comment' : 'open declaration' }
    at = skipSpace(text, next)
  }
  return { isXml, isSvg, at, end: 'content' }
}

/** Comments end where the HTML parser ends them, which is also after `<!-->`, `<!--->` and at `--!>`. */
function endOfComment(text: string, at: number): number {
  const end = /^-?>|--!?>/.exec(text.slice(at + 4))
  return end === null ? -1 : at + 4 + end.index + end[0].length
}

/** A doctype may hold declarations of its own between brackets. */
function endOfDeclaration(text: string, at: number): number {
  const end = text.indexOf('>', at)
  const bracket = text.indexOf('[', at)
  const isPlain = bracket < 0 || bracket > end || text[at + 1] !== '!'
  if (end < 0 || isPlain) return end < 0 ? -1 : end + 1
  const close = /\]\s*>/.exec(text.slice(bracket))
  return close === null ? -1 : bracket + close.index + close[0].length
}

function endOfXmlComment(text: string, at: number): number {
  return after(text, '-->', at + 4)
}

/** A processing instruction ends with `?>`. In a doctype, quoted values and comments hold any character. */
function endOfXmlDeclaration(text: string, start: number): number {
  if (text[start + 1] === '?') return after(text, '?>', start + 2)
  let isInside = false
  for (let at = start + 1; at < text.length; ) {
    const character = text[at]
    if (character === '>' && !isInside) return at + 1
    if (character === '[' || character === ']') isInside = character === '['
    const next = endOfPart(text, at)
    if (next < 0) return -1
    at = next
  }
  return -1
}

function endOfPart(text: string, at: number): number {
  const character = text[at]
  if (character === '"' || character === "'") return after(text, character, at + 1)
  if (text.startsWith('<!--', at)) return endOfXmlComment(text, at)
  return text.startsWith('<?', at) ? after(text, '?>', at + 2) : at + 1
}

function after(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from)
  return at < 0 ? -1 : at + what.length
}

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at
  return at + (SPACE.exec(text)?.[0].length ?? 0)
}

function startsAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(text)
}
