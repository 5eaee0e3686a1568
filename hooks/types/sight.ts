import { fileTypeFromBuffer } from 'file-type'
import { seeExecutable } from './dangers.js'
import { OOXML_PACKAGE } from './families.js'
import { seeMarkup } from './markup.js'
import { decodeHead, isText } from './text.js'

/** The type of bytes of which nothing is known. */
export const OCTET_STREAM = 'application/octet-stream'

/** What the first bytes of a file show. */
export interface Sight {
  /** A type of file-type, of this folder, or OOXML_PACKAGE. */
  readonly type: string
  /** What makes this file dangerous although its type is not, or null. */
  readonly danger: string | null
}

/** Formats that file-type knows and that may be text throughout their first 512 bytes. */
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

/** Signatures file-type lacks, or does not tell where what it wants to read lies beyond the head. */
const LONE_SIGNATURES: readonly (readonly [type: string, offset: number, bytes: string])[] = [
  ['image/png', 0, '\x89PNG\r\n\x1a\n'],
  ['image/tiff', 0, 'II*\0'],
  ['image/tiff', 0, 'MM\0*'],
  ['image/jp2', 0, '\0\0\0\x0cjP  \r\n\x87\n'],
  ['video/matroska', 0, '\x1aE\xdf\xa3'],
  ['application/ogg', 0, 'OggS'],
  ['application/zip', 0, 'PK00PK\x03\x04'],
  ['audio/wav', 0, 'RF64'],
  ['audio/wav', 0, 'BW64'],
  ['audio/wav', 0, 'RIFX'],
  ['audio/midi', 8, 'RMID'],
  ['font/ttf', 0, 'true\0'],
  ['font/woff', 0, 'wOFF'],
  ['font/woff2', 0, 'wOF2'],
  ['video/mp4', 4, 'styp'],
  ['video/mp4', 4, 'sidx'],
  ['video/mp4', 4, 'moof'],
  ['video/quicktime', 4, 'skip'],
  ['video/quicktime', 4, 'pnot'],
]

/** The first name in an Office Open XML file, by whatever program wrote it. */
const OFFICE_ENTRY = /^(?:\[Content_Types\]\.xml|(?:_rels|docProps|customXml|word|xl|ppt|visio|3D)\/)/
/** A path of an interpreter or its name; not Rust's `#![`, nor the voice recordings `#!AMR` and `#!SILK`. */
const INTERPRETER = /^#![ \t]*(?!AMR|SILK)[a-z/]/i
/** PDF readers allow junk before the header, and some mail and scanner programs write it. */
const LATE_PDF = /[^ -~]%PDF-\d/

/**
 * Sees what a head is: first what is told by more than its first word (programs, scripts, markup, tar), then by
 * file-type. Words are where file-type errs: a text may begin with BM, MZ, `MAC ` or `solid `, and so may the
 * name of the first file in a tar.
 *
 * @param head the first 512 bytes of a file, or all of a shorter one
 * @param isMarkdown whether the file is said to be Markdown
 */
export async function see(head: Uint8Array, isMarkdown: boolean): Promise<Sight> {
  const text = decodeHead(head)
  const certain = seeCode(head, text) ?? seeMarkup(text, isMarkdown)
  return certain ?? { type: await seeType(head, text), danger: null }
}

function seeCode(head: Uint8Array, text: string): Sight | null {
  const isProse = isText(text) && /[\s,;]/.test(text)
  const type = seeExecutable(head, isProse, isTar(head)) ?? seeScript(text)
  return type === null ? null : { type, danger: null }
}

function seeScript(text: string): string | null {
  if (INTERPRETER.test(text)) return 'text/x-shellscript'
  if (/^\s*<\?(?:php\b|=)/i.test(text)) return 'application/x-httpd-php'
  if (/^\s*@echo\s+off\b/i.test(text)) return 'application/x-bat'
  return null
}

async function seeType(head: Uint8Array, text: string): Promise<string> {
  if (isTar(head)) return 'application/x-tar'
  // file-type would inflate these bytes to look for a tar in them, and say gzip all the same.
  if (hasBytes(head, 0, '\x1f\x8b\x08')) return 'application/gzip'
  const mime = (await fileTypeFromBuffer(head))?.mime
  if (mime !== undefined && (!isText(text) || isSureOfText(mime, text))) {
    return mime === 'application/zip' ? seePackage(head) : mime
  }
  if (LATE_PDF.test(text)) return 'application/pdf'
  return isText(text) ? 'text/plain' : (seeLoneSignature(head) ?? OCTET_STREAM)
}

/** In text, a signature counts where its format is text, where it is no word, or where it is a long one. */
function isSureOfText(mime: string, text: string): boolean {
  return TEXT_FORMATS.has(mime) || text.charCodeAt(0) >= 0x80 || LONG_TEXT_SIGNATURE.test(text)
}

/** The name of the first file in a zip stands at byte 30, its length at 26. */
function seePackage(head: Uint8Array): string {
  const name = String.fromCharCode(...head.subarray(30, 30 + (head[26] ?? 0)))
  return OFFICE_ENTRY.test(name) ? OOXML_PACKAGE : 'application/zip'
}

function seeLoneSignature(head: Uint8Array): string | null {
  return LONE_SIGNATURES.find(([, offset, bytes]) => hasBytes(head, offset, bytes))?.[0] ?? null
}

function isTar(head: Uint8Array): boolean {
  return hasBytes(head, 257, 'ustar') && (head[262] === 0 || head[262] === 0x20)
}

function hasBytes(head: Uint8Array, offset: number, bytes: string): boolean {
  for (let index = 0; index < bytes.length; index++) {
    if (head[offset + index] !== bytes.charCodeAt(index)) return false
  }
  return true
}
