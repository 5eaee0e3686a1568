import { isKnownType } from './extensions.js'
import type { Family } from './families.js'

const LOCAL_HEADER = 'PK\x03\x04'
/** The end of a zip without a file, or the first disk of several. */
const EMPTY = ['PK\x05\x06', 'PK\x07\x08']
/** What stands before the first file of a zip that was made to be split. */
const SPANNED = ['PK00', 'PK\x07\x08']
/** An OpenDocument, EPUB or other package that names itself: its first file, stored, is its type. */
const SELF_NAMED = /^application\/(?:vnd\.oasis\.opendocument\.[a-z-]+|epub\+zip|vnd\.[a-z.+-]+)/
/** Folders of Office Open XML; some programs write the backslashes of Windows. */
const FOLDERS: readonly (readonly [pattern: RegExp, family: Family, type: string])[] = [
  [/^word[/\\]/, 'word', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
  [/^xl[/\\]/, 'excel', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'],
  [/^ppt[/\\]/, 'powerpoint', 'application/vnd.openxmlformats-officedocument.presentationml.presentation'],
]
const PROGRAMS: readonly (readonly [pattern: RegExp, type: string])[] = [
  [/^META-INF[/\\]mozilla\.rsa$/i, 'application/x-xpinstall'],
  [/^AndroidManifest\.xml$/, 'application/vnd.android.package-archive'],
  [/^classes\d*\.dex$/, 'application/vnd.android.package-archive'],
  [/^META-INF[/\\]com[/\\]android[/\\]/, 'application/vnd.android.package-archive'],
  [/^Payload[/\\][^/\\]+\.app[/\\]/, 'application/x-ios-app'],
  [/^META-INF[/\\]MANIFEST\.MF$/i, 'application/java-archive'],
]

/** What a head shows of a zip: a type that nobody chooses, and of which family it is; null for an exact type. */
interface ZipSight {
  readonly type: string
  readonly family: Family | null
}

/** Sees what kind of zip it is, by the names of its first files, as many as the head has; null for no zip. */
export function seeZip(head: Uint8Array): ZipSight | null {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1')
  const start = SPANNED.some((marker) => text.startsWith(marker + LOCAL_HEADER)) ? 4 : 0
  if (start === 0 && EMPTY.some((marker) => text.startsWith(marker)))
    return { type: 'application/zip', family: 'zip' }
  if (!text.startsWith(LOCAL_HEADER, start)) return null
  const names = namesIn(text, start)
  const program = PROGRAMS.find(([pattern]) => names.some((name) => pattern.test(name)))
  if (program !== undefined) return { type: program[1], family: null }
  const own = names[0] === 'mimetype' ? (SELF_NAMED.exec(contentOfFirst(text, start))?.[0] ?? '') : ''
  // A name that no table has is the client's own word.
  if (isKnownType(own)) return { type: own, family: null }
  const folder = FOLDERS.find(([pattern]) => names.some((name) => pattern.test(name)))
  if (folder !== undefined) return { type: folder[2], family: folder[1] }
  return { type: 'application/zip', family: 'zip' }
}

function namesIn(text: string, start: number): string[] {
  const names: string[] = []
  for (let at = start; at >= 0 && at + 30 < text.length; at = text.indexOf(LOCAL_HEADER, at + 4)) {
    names.push(text.slice(at + 30, at + 30 + wordAt(text, at + 26)))
  }
  return names
}

/** The first file, where it is stored and not deflated. */
function contentOfFirst(text: string, start: number): string {
  if (wordAt(text, start + 8) !== 0) return ''
  const at = start + 30 + wordAt(text, start + 26) + wordAt(text, start + 28)
  const size = wordAt(text, start + 18)
  return text.slice(at, size === 0 ? at + 100 : at + size)
}

function wordAt(text: string, at: number): number {
  return (text.charCodeAt(at) || 0) | ((text.charCodeAt(at + 1) || 0) << 8)
}
