import type { Sight } from './sight.js'

/** The tags that make a file HTML when it begins with one (WHATWG mimesniff, section 7.1). */
const DOCUMENT_TAGS = new Set('html head body title style script iframe'.split(' '))
const FLOW_TAGS = new Set('h1 div font table a b br p'.split(' '))

/** An event handler, or an address that is a program. */
const HANDLER = /[\s"'/]on[a-z]{3,}\s*=|javascript:/i
/** An element that runs, or that holds a document of its own. */
const ACTIVE_ELEMENT = /<(?:[\w.-]+:)?(?:script|foreignobject|iframe|embed|object|handler)\b/i
const XHTML_OR_SVG = /http:\/\/www\.w3\.org\/(?:1999\/xhtml|2000\/svg)/
const XHTML_BY_DEFAULT = /\sxmlns\s*=\s*["']http:\/\/www\.w3\.org\/1999\/xhtml["']/

const SPACE = /\s*/y
const XML_DECLARATION = /<\?xml\s/y
const HTML_DOCTYPE = /<!doctype\s*html\b/iy
const TAG = /<((?:[\w.-]+:)?)([a-z][\w.-]*)(?=[\s/>]|$)/iy

const XHTML: Sight = { type: 'application/xhtml+xml', danger: null }
const HTML: Sight = { type: 'text/html', danger: null }

/**
 * Finds HTML, XHTML, SVG and XML by what stands first after white space, comments and declarations.
 *
 * Only the first tag makes HTML: a `<script` in the middle of prose is prose. SVG and XML are active when the
 * head has a script, a handler or a `javascript:` address. What comes after the head is not seen, so whoever
 * serves such a file must keep it from running too.
 *
 * @param text the decoded head
 * @param isMarkdown whether an opening tag or comment may be Markdown, which has both
 * @returns null for what is not markup
 */
export function seeMarkup(text: string, isMarkdown: boolean): Sight | null {
  const prolog = readProlog(text)
  if (prolog === null) return null
  const { isXml, at, end } = prolog
  if (end === 'html doctype') return isXml ? XHTML : HTML
  if (end === 'open comment' && !isXml) return isMarkdown ? null : HTML
  const tag = end === 'content' ? readTag(text, at) : null
  if (tag === null) return isXml ? xml(null) : null
  if (tag.name === 'svg') return svg(isActive(text))
  if (isXml) return seeXml(text, tag)
  return isHtml(tag, isMarkdown) ? HTML : null
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
  const end = text.indexOf('>', at)
  const [, prefix = '', name = ''] = match
  return { prefix, name: name.toLowerCase(), text: text.slice(at, end < 0 ? text.length : end) }
}

function isHtml({ name, prefix, text }: Tag, isMarkdown: boolean): boolean {
  if (prefix !== '') return false
  return DOCUMENT_TAGS.has(name) || (FLOW_TAGS.has(name) && !isMarkdown) || HANDLER.test(text)
}

function seeXml(text: string, root: Tag): Sight {
  if (root.name === 'html') return XHTML
  const isStylesheet = root.name === 'stylesheet' || root.name === 'transform'
  if (!isStylesheet && XHTML_BY_DEFAULT.test(root.text)) return XHTML
  return xml(isActive(text) && XHTML_OR_SVG.test(text) ? 'XML with a script in it' : null)
}

function isActive(text: string): boolean {
  return ACTIVE_ELEMENT.test(text) || HANDLER.test(text)
}

function svg(active: boolean): Sight {
  return { type: 'image/svg+xml', danger: active ? 'an SVG image with a script in it' : null }
}

function xml(danger: string | null): Sight {
  return { type: 'application/xml', danger }
}

interface Prolog {
  readonly isXml: boolean
  /** Index of what ended it. */
  readonly at: number
  readonly end: 'content' | 'html doctype' | 'open comment' | 'open declaration'
}

/** Steps over white space, comments and declarations; null where the text does not begin with `<`. */
function readProlog(text: string): Prolog | null {
  let at = skipSpace(text, 0)
  if (text[at] !== '<') return null
  let isXml = false
  while (text[at] === '<' && '!?/'.includes(text[at + 1] ?? ' ')) {
    if (startsAt(HTML_DOCTYPE, text, at)) return { isXml, at, end: 'html doctype' }
    isXml ||= startsAt(XML_DECLARATION, text, at)
    const isComment = text.startsWith('<!--', at)
    const next = isComment ? endOfComment(text, at) : endOfDeclaration(text, at)
    if (next < 0) return { isXml, at, end: isComment ? 'open comment' : 'open declaration' }
    at = skipSpace(text, next)
  }
  return { isXml, at, end: 'content' }
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

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at
  return at + (SPACE.exec(text)?.[0].length ?? 0)
}

function startsAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(text)
}
