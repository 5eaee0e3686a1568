import { supportedMimeTypes } from 'file-type'
import { dangerOf, type Openness } from './dangers.js'
import { isKnownType } from './extensions.js'
import { canonicalType } from './names.js'

/** Families of types that begin with the same bytes. Some zips and TIFFs also show their exact type, others do not. */
export type Family =
  | 'text'
  | 'xml'
  | 'zip'
  | 'word'
  | 'excel'
  | 'powerpoint'
  | 'compound file'
  | 'mp4'
  | '3gpp'
  | 'heif'
  | 'webm'
  | 'matroska'
  | 'ebml'
  | 'tiff'
  | 'ogg'
  | 'asf'
  | 'mpeg program'
  | 'mpeg audio'
  | 'gzip'
  | 'rar'
  | 'pdf'
  | 'unseen'

/** What the first bytes of a file show. */
export interface Sight {
  /** A type of file-type or of this folder. */
  readonly type: string
  /** What the bytes leave open to those who call the file dangerous. */
  readonly openness: Openness
  /** The family within which the declared type or the name may choose another type; null for an exact type. */
  readonly family: Family | null
  /** What makes this file dangerous although its type is not, or null. */
  readonly danger: string | null
}

const OOXML = 'application/vnd.openxmlformats-officedocument.'
const OPEN_DOCUMENT = 'application/vnd.oasis.opendocument.'

const WORD = listed('application/', [
  'vnd.openxmlformats-officedocument.wordprocessingml.document',
  'vnd.openxmlformats-officedocument.wordprocessingml.template',
  'vnd.ms-word.document.macroenabled.12 vnd.ms-word.template.macroenabled.12',
])
const EXCEL = listed('application/', [
  'vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'vnd.openxmlformats-officedocument.spreadsheetml.template',
  'vnd.ms-excel.sheet.macroenabled.12 vnd.ms-excel.template.macroenabled.12',
  'vnd.ms-excel.addin.macroenabled.12 vnd.ms-excel.sheet.binary.macroenabled.12',
])
const POWERPOINT = listed('application/', [
  'vnd.openxmlformats-officedocument.presentationml.presentation',
  'vnd.openxmlformats-officedocument.presentationml.template',
  'vnd.openxmlformats-officedocument.presentationml.slideshow',
  'vnd.openxmlformats-officedocument.presentationml.slide',
  'vnd.ms-powerpoint.presentation.macroenabled.12 vnd.ms-powerpoint.template.macroenabled.12',
  'vnd.ms-powerpoint.slideshow.macroenabled.12 vnd.ms-powerpoint.addin.macroenabled.12',
  'vnd.ms-powerpoint.slide.macroenabled.12',
])
const OTHER_PACKAGES = listed('', [
  'application/zip application/vnd.visio application/oxps application/vnd.google-earth.kmz',
  'application/vnd.apple.pages application/vnd.apple.numbers application/vnd.apple.keynote',
  'application/vnd.sketch application/vnd.xmind.workbook application/x-musescore application/x-krita',
  'application/vnd.ms-officetheme application/vnd.wolfram.wacz application/vnd.adobe.indesign-idml-package',
  'application/vnd.recordare.musicxml application/vnd.geogebra.file application/x-fictionbook+xml',
  'application/illustrator image/openraster model/3mf model/vnd.usdz+zip application/vnd.hancom.hwpx',
])
const ZIPS = new Set([...WORD, ...EXCEL, ...POWERPOINT, ...OTHER_PACKAGES])

const COMPOUND_FILES = new Set(
  listed('', [
    'application/msword application/vnd.ms-excel application/vnd.ms-powerpoint application/vnd.ms-outlook',
    'application/vnd.ms-project application/vnd.visio application/x-mspublisher application/vnd.ms-works',
    'application/x-cfb image/vnd.fpx application/vnd.stardivision.writer application/vnd.stardivision.calc',
    'application/vnd.hancom.hwp application/vnd.ms-officetheme',
  ]),
)

const ISO_SOUND = listed('audio/', ['mp4 3gpp 3gpp2'])
const ISO_MEDIA = listed('', [
  'video/mp4 application/mp4 video/x-m4v video/quicktime video/3gpp video/3gpp2',
  'video/iso.segment',
])
const RAW_PHOTOS = listed('image/x-', [
  'adobe-dng canon-cr2 nikon-nef sony-arw olympus-orf panasonic-rw2 pentax-pef samsung-srw hasselblad-3fr',
  'epson-erf kodak-dcr',
])

/** The families whose types are few. */
const MEMBERS: Readonly<Partial<Record<Family, ReadonlySet<string>>>> = {
  word: WORD,
  excel: EXCEL,
  powerpoint: POWERPOINT,
  mp4: new Set([...ISO_MEDIA, ...ISO_SOUND]),
  '3gpp': listed('', ['video/3gpp video/3gpp2 audio/3gpp audio/3gpp2 audio/mp4 video/mp4']),
  heif: listed('image/', ['heif heif-sequence heic heic-sequence avif']),
  webm: listed('', ['video/webm audio/webm']),
  matroska: listed('', ['video/matroska audio/matroska']),
  // Without its document type in the head, it may be any of them.
  ebml: listed('', ['video/matroska audio/matroska video/webm audio/webm']),
  tiff: new Set(['image/tiff', ...RAW_PHOTOS]),
  ogg: listed('', ['audio/ogg video/ogg application/ogg']),
  asf: listed('', [
    'application/vnd.ms-asf video/x-ms-asf audio/x-ms-asf video/x-ms-wmv audio/x-ms-wma video/x-ms-wm',
  ]),
  'mpeg program': listed('', ['video/mpeg video/x-ms-vob']),
  'mpeg audio': listed('audio/', ['mpeg flac aac']),
  gzip: listed('application/', ['gzip x-tgz']),
  rar: listed('application/', ['x-rar-compressed vnd.comicbook-rar']),
  pdf: listed('application/', ['pdf']),
}

/** Types whose files are text, beside `text/…` and those that end in `+json`, `+xml` or `+yaml`. */
const TEXTS = listed('', [
  'application/json application/x-ndjson application/json5 application/yaml application/toml application/sql',
  'application/xml application/xml-dtd application/x-subrip application/x-tex application/x-bibtex',
  'application/mbox application/x-x509-ca-cert application/pem-certificate-chain application/pkcs8',
  'application/pkcs10 application/pgp-keys application/pgp-signature application/x-cue application/x-plist',
  'application/postscript application/vnd.apple.mpegurl application/x-chess-pgn application/x-ply',
  'application/x-research-info-systems application/vnd.ms-wpl application/manifest application/graphql',
  'application/jwt application/trig application/n-triples application/n-quads application/sparql-query',
  'application/x-texinfo application/vnd.jgraph.mxfile application/dicom+json',
  'audio/x-mpegurl audio/x-scpls video/vnd.mpegurl message/rfc822 image/vnd.dxf image/x-xbitmap image/x-xpixmap',
  'image/x-portable-anymap image/x-portable-bitmap image/x-portable-graymap image/x-portable-pixmap',
  'model/obj model/mtl model/step model/iges model/vrml model/stl chemical/x-pdb application/fits',
])
const TEXT_PATTERN = /^text\/|^(?:chemical|message)\/|\+(?:json|xml|yaml|json-seq)$/

/** Types that file-type recognises, but whose files may also begin with bytes that show nothing. */
const MAY_BE_UNSEEN = listed('', [
  'application/x-apple-diskimage application/pgp-encrypted application/pgp-signature model/stl',
  'application/msword application/vnd.ms-excel application/vnd.iccprofile image/vnd.dxf application/fits',
  'application/pgp-keys application/x-x509-ca-cert application/x-plist application/pkcs8 application/pkcs10',
  'application/x-ply chemical/x-pdb application/vnd.sketchup.skp',
])
const SIGNED: ReadonlySet<string> = new Set([
  ...[...supportedMimeTypes].map(canonicalType),
  ...Object.values(MEMBERS).flatMap((types) => [...(types ?? [])]),
  ...ZIPS,
  ...COMPOUND_FILES,
  ...listed('', [
    'image/x-exr image/vnd.ms-dds image/vnd.zbrush.pcx image/vnd.radiance audio/basic audio/x-caf',
  ]),
  ...listed('', ['application/x-msaccess image/vnd.djvu']),
])

/**
 * Whether a file whose bytes name a family may have this type.
 *
 * @param type a canonical type
 * @param isListed whether the type is on the list of `--accept`; such a type need not be in a table
 */
export function isMember(family: Family, type: string, isListed = false): boolean {
  const members = MEMBERS[family]
  if (members !== undefined) return members.has(type)
  if ((!isKnownType(type) && !isListed) || dangerOf(type) !== null || type === 'image/svg+xml') return false
  if (family === 'text') return TEXTS.has(type) || TEXT_PATTERN.test(type) || isNeutral(type)
  if (family === 'xml') return type === 'application/xml' || isXml(type) || isNeutral(type)
  if (family === 'zip') return isZip(type) || isNeutral(type)
  if (family === 'compound file') return COMPOUND_FILES.has(type) || type.startsWith(OOXML) || isNeutral(type)
  return MAY_BE_UNSEEN.has(type) || !(SIGNED.has(type) || isTextual(type) || isZip(type))
}

function isXml(type: string): boolean {
  return (
    type.endsWith('+xml') ||
    type === 'application/x-plist' ||
    type === 'text/x-opml' ||
    type === 'application/vnd.ms-wpl'
  )
}

function isZip(type: string): boolean {
  return ZIPS.has(type) || type.endsWith('+zip') || type.startsWith(OOXML) || type.startsWith(OPEN_DOCUMENT)
}

/** File types of single programs, for which no table here has a signature. */
function isNeutral(type: string): boolean {
  return (
    /^(?:application|model|x-[a-z]+)\//.test(type) && !SIGNED.has(type) && !isTextual(type) && !isZip(type)
  )
}

function isTextual(type: string): boolean {
  return TEXTS.has(type) || TEXT_PATTERN.test(type)
}

function listed(prefix: string, lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(' ')).map((word) => prefix + word))
}
