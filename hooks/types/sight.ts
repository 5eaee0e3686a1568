import { seeExecutable } from './executables.js'
import type { Family, Sight } from './families.js'
import { seeIso } from './iso.js'
import { type Called, seeMarkup } from './markup.js'
import { mimeOf } from './mime.js'
import { canonicalType } from './names.js'
import { holdsHtml } from './scripts.js'
import {
  hasBytes,
  isPossibleIcon,
  isPossibleMpeg,
  isPossibleTga,
  isTar,
  seeNetpbm,
  seeSignature,
} from './signatures.js'
import { isText, readHead } from './text.js'
import { seeZip } from './zip.js'

/** The type of bytes that show nothing. */
export const OCTET_STREAM = 'application/octet-stream'

/** Formats of file-type whose first 512 bytes may be text only. */
const TEXT_FORMATS: ReadonlySet<string> = new Set([
  'application/pdf',
  'application/eps',
  'application/rtf',
  'application/pgp-encrypted',
  'application/x-ms-regedit',
  'application/x-deb',
  'application/x-unix-archive',
  'text/calendar',
  'text/vcard',
  'text/vtt',
])
const LONG_TEXT_SIGNATURE = /^(?:GIF8[79]a|%!PS|solid [^\n]*\n\s*facet\s)/
/** Signatures of two bytes that are also letters of Russian or Turkish. */
const SHORT_SIGNATURES: ReadonlySet<string> = new Set(['audio/mpeg', 'audio/aac', 'image/jxl'])

/** The families of the types that file-type returns. */
const FAMILIES: ReadonlyMap<string, Family> = new Map(
  Object.entries({
    'application/x-cfb': 'compound file',
    'video/webm': 'webm',
    'video/matroska': 'matroska',
    'image/tiff': 'tiff',
    'application/ogg': 'ogg',
    'video/ogg': 'ogg',
    'application/vnd.ms-asf': 'asf',
    'video/x-ms-asf': 'asf',
    'audio/x-ms-asf': 'asf',
    'video/mpeg': 'mpeg program',
    'audio/mpeg': 'mpeg audio',
    'application/x-rar-compressed': 'rar',
    'application/pdf': 'pdf',
  } as const),
)

/** A path of an interpreter or a name of one; not `#![`, `#!AMR`, `#!SILK`, `#!genome-build` or `#!MLF!#`. */
const INTERPRETER =
  /^#![ \t]*(?:\.{0,2}\/|"?[a-z]:\\|(?:(?:ba|da|z|k|c|tc|pdk|a|fi)?sh|env|python|pypy|perl|ruby|node|nodejs|deno|bun|php|lua|luajit|tclsh|wish|expect|[gmn]?awk|sed|make|rscript|osascript|pwsh|powershell|cmd|groovy|scala|java|jshell|kotlin|swift|ocaml|guile|racket|sbcl|clisp|runhaskell|julia|busybox|nix-shell|cscript|wscript|raku|elixir|escript|crystal|ts-node|tsx)(?:[\d.]{0,9}(?:\.exe)?)(?![\w-]))/i
const PHP = /^\s*<\?(?:php\b|=)/i
const BATCH = /^\s*(?:(?:::|rem\b)[^\n]*\n\s*)*@?echo\s+off(?=[ \t]*(?:[\r\n&|<>()]|$))/i
const REGEDIT = /^\s*(?:REGEDIT4\s|Windows Registry Editor Version )/
/** Windows finds the section with the address anywhere in the file, behind its own other sections. */
const SHORTCUT =
  /^\s*(?:\[\{[0-9a-f-]{36}\}(?:\.[a-z])?\]\s[^[]*)*\[(?:InternetShortcut|DEFAULT\]\s+BASEURL)/i
/** The first line of a page that a browser saved. Real mail does not begin with it. */
const SAVED_PAGE =
  /^\s*From:\s*["<]{0,2}Saved by (?:Blink|WebKit|Mozilla|UnMHT|(?:Microsoft|Windows) Internet Explorer)\b/i
const DESKTOP = /^(?:\s*#[^\n]*\n)*\s*\[Desktop Entry\]/
/** The line after the header of a PDF: a comment of bytes that are not text, or the first object. */
const CERTAIN_PDF = /%PDF-\d\.\d[ \t]*[\r\n]+(?:%|\d{1,9} \d{1,5} obj)/
/** Before the header there are only blanks, or one word of junk. */
const EARLY_PDF = /^(?:\s*|\S{1,16})%PDF-\d\.\d\s/

/** What the declared type and the name say, for bytes that can be read in two ways. */
export interface Calls extends Called {
  readonly types: readonly string[]
}

/**
 * Finds what a head is. Programs, scripts, markup and tar come first, because they are known by more than their first
 * word; then file-type decides. file-type errs on words: a text, or the name of the first file in a tar, may begin with
 * BM, MZ, `MAC ` or `solid `.
 *
 * @param head the first 512 bytes of a file, or all of a shorter one
 * @param calls what its declared type and its name say
 */
export async function see(head: Uint8Array, calls: Calls): Promise<Sight> {
  const readings = readHead(head)
  for (const text of readings) {
    const code = seeCode(head, text)
    if (code !== null) return exact(code, text)
    const markup = seeMarkup(text, calls)
    if (markup !== null) return markup
  }
  return seeFormat(head, readings[0], calls)
}

function seeCode(head: Uint8Array, text: string): string | null {
  const isProse = isText(text) && /[\s,;]/.test(text)
  return seeExecutable(head, isProse, isTar(head)) ?? seeScript(text)
}

function seeScript(text: string): string | null {
  if (INTERPRETER.test(text)) return 'text/x-shellscript'
  if (PHP.test(text)) return 'application/x-httpd-php'
  if (BATCH.test(text)) return 'application/x-bat'
  if (REGEDIT.test(text)) return 'application/x-ms-regedit'
  if (SHORTCUT.test(text)) return 'application/x-mswinurl'
  if (SAVED_PAGE.test(text)) return 'application/x-mimearchive'
  return DESKTOP.test(text) ? 'application/x-desktop' : null
}

async function seeFormat(head: Uint8Array, text: string, calls: Calls): Promise<Sight> {
  if (isTar(head)) return exact('application/x-tar', text)
  // file-type would decompress these bytes to search for a tar, and return gzip in any case.
  if (hasBytes(head, 0, '\x1f\x8b\x08')) return { ...exact('application/gzip', text), family: 'gzip' }
  const zip = seeZip(head)
  if (zip !== null) return { ...exact(zip.type, text), ...zip, openness: 'zip' }
  const media = isText(text) ? null : seeIso(head)
  if (media !== null) return { ...exact(media.type, text), ...media }
  const mime = await seeMime(head, text, calls)
  if (mime !== null) return ofType(mime, text)
  if (isLatePdf(text, calls)) return { ...exact('application/pdf', text), openness: 'text', family: 'pdf' }
  return seeRest(head, text, calls)
}

function seeRest(head: Uint8Array, text: string, calls: Calls): Sight {
  const netpbm = seeNetpbm(head)
  if (netpbm !== null) return ofType(netpbm, text)
  // The header of such a picture has its history, which may fill the head.
  if (/^#\?(?:RADIANCE|RGBE)\n/.test(text)) return ofType('image/vnd.radiance', text)
  if (isText(text)) return { type: 'text/plain', openness: 'text', family: 'text', danger: null }
  const type = seeSignature(head)
  if (type === 'video/matroska') return { ...exact(type, text), family: 'ebml' }
  if (type !== null) return ofType(type, text)
  const isCalledTga = calls.types.includes('image/x-tga')
  const family = isCalledTga && !isPossibleTga(head) ? null : 'unseen'
  return { type: OCTET_STREAM, openness: 'unseen', family, danger: null }
}

/** The type that file-type returns, unless another reading of these bytes is more likely. */
async function seeMime(head: Uint8Array, text: string, calls: Calls): Promise<string | null> {
  const mime = await mimeOf(head)
  if (mime === undefined || mime === 'application/zip') return null
  if (mime === 'image/x-icon' && !isPossibleIcon(head)) return null
  const isMpeg = head[0] === 0xff && (mime === 'audio/mpeg' || mime === 'audio/aac')
  if (isMpeg && !isPossibleMpeg(head)) return null
  if (SHORT_SIGNATURES.has(mime) && isText(text))
    return calls.types.includes(canonicalType(mime)) ? mime : null
  return isText(text) && !isSureOfText(mime, text) ? null : mime
}

/** In text, a signature counts if its format is text, if it is not a word, or if it is a long word. */
function isSureOfText(mime: string, text: string): boolean {
  if (mime === 'application/pdf') return /^\s*%PDF-\d/.test(text)
  return TEXT_FORMATS.has(mime) || text.charCodeAt(0) >= 0x80 || LONG_TEXT_SIGNATURE.test(text)
}

/** PDF readers allow junk before the header, and some mail and scanner programs write it. */
function isLatePdf(text: string, { types }: Calls): boolean {
  const at = text.indexOf('%PDF-')
  if (at < 0 || !/^\d/.test(text.slice(at + 5, at + 6))) return false
  if (!isText(text) || !/^[ -~]/.test(text.slice(at - 1, at))) return true
  return types.includes('application/pdf') || CERTAIN_PDF.test(text) || EARLY_PDF.test(text)
}

function ofType(type: string, text: string): Sight {
  const family = FAMILIES.get(canonicalType(type)) ?? null
  const sight = { ...exact(type, text), family }
  if (family === 'compound file') return { ...sight, openness: 'compound file' }
  // An interpreter accepts any text. A PDF stays a PDF: many begin with text.
  return isText(text) && family !== 'pdf' ? { ...sight, openness: 'text' } : sight
}

function exact(type: string, text: string): Sight {
  const openness = holdsHtml(text) ? 'exact, with HTML in it' : 'exact'
  return { type, openness, family: null, danger: null }
}
