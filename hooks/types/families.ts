import { canonicalType } from './names.js'

/** Types that share a signature: what is declared as one of them may be seen as any of them. */
interface Family {
  readonly types: readonly string[]
  /** What else such a file turns out to be in practice. */
  readonly also?: readonly string[]
  /** Whether such a file may also begin with bytes that show nothing. */
  readonly mayBeUnseen?: true
}

/** Any Office Open XML file, as libmagic names it: the head shows the package, not what is in it. */
export const OOXML_PACKAGE = 'application/vnd.openxmlformats-officedocument'

const OOXML = prefixed(`${OOXML_PACKAGE}.`, [
  'wordprocessingml.document wordprocessingml.template spreadsheetml.sheet spreadsheetml.template',
  'presentationml.presentation presentationml.template presentationml.slideshow',
])
const OOXML_MACROS = prefixed('application/vnd.ms-', [
  'word.document.macroenabled.12 word.template.macroenabled.12 excel.sheet.macroenabled.12',
  'excel.template.macroenabled.12 excel.addin.macroenabled.12 excel.sheet.binary.macroenabled.12',
  'powerpoint.presentation.macroenabled.12 powerpoint.template.macroenabled.12',
  'powerpoint.slideshow.macroenabled.12',
])
const OPEN_DOCUMENT = prefixed('application/vnd.oasis.opendocument.', [
  'text text-template spreadsheet spreadsheet-template presentation presentation-template',
  'graphics graphics-template formula',
])
const OFFICE_PACKAGES = [...OOXML, ...OOXML_MACROS, 'application/vnd.visio', 'model/3mf']
const OTHER_PACKAGES = prefixed('', [
  'application/java-archive application/vnd.android.package-archive application/x-xpinstall',
  'application/vnd.google-earth.kmz application/vnd.comicbook+zip model/vnd.usdz+zip',
])
const PACKAGES = [...OFFICE_PACKAGES, ...OTHER_PACKAGES, ...OPEN_DOCUMENT, 'application/epub+zip']
const OLD_OFFICE = prefixed('application/', ['msword vnd.ms-excel vnd.ms-powerpoint'])
const OLD_OFFICE_KIN = prefixed('application/', ['vnd.ms-outlook vnd.ms-project x-msi'])
const ISO_AUDIO = prefixed('audio/', ['mp4 3gpp 3gpp2'])
const ISO_VIDEO = prefixed('', [
  'video/mp4 application/mp4 video/x-m4v video/quicktime video/3gpp video/3gpp2',
])
const ISO_IMAGES = prefixed('image/', ['heic heif heic-sequence heif-sequence avif x-canon-cr3'])
const RAW_PHOTOS = prefixed('image/x-', [
  'adobe-dng canon-cr2 nikon-nef sony-arw olympus-orf panasonic-rw2 pentax-pef samsung-srw',
])
const MPEG_STREAMS = prefixed('', ['video/mpeg video/mp2t audio/mpeg audio/aac'])
/** Kinds of text that no program runs. */
const TEXTS = prefixed('', [
  'text/csv text/tab-separated-values text/markdown text/vtt text/calendar text/vcard',
  'application/json application/geo+json application/ld+json application/x-ndjson',
  'application/yaml application/toml application/x-subrip',
])
const PLAIN = ['text/plain', 'application/xml']

/**
 * Every declared type that has a signature at the start of its files. What is not here cannot be contradicted:
 * text, binary STL, ISO images, encrypted databases and all that nobody has heard of.
 */
const FAMILIES: readonly Family[] = [
  { types: ['image/jpeg'], also: ['image/jls'] },
  { types: ['image/png', 'image/apng'] },
  { types: ['image/gif'] },
  { types: ['image/webp'] },
  { types: ['image/bmp'] },
  { types: ['image/jxl'] },
  { types: ['image/vnd.adobe.photoshop'] },
  { types: ['image/jp2', 'image/jpx', 'image/jpm', 'image/mj2', 'image/j2c'] },
  // Favicons are often a PNG under the name favicon.ico.
  { types: ['image/x-icon'], also: ['image/png', 'image/bmp'] },
  { types: ['image/tiff', ...RAW_PHOTOS] },
  { types: [...ISO_VIDEO, ...ISO_AUDIO, ...ISO_IMAGES] },
  { types: ['video/webm', 'audio/webm', 'video/matroska', 'audio/matroska'] },
  { types: ['video/vnd.avi'] },
  { types: ['video/x-flv'] },
  {
    types: ['video/x-ms-wmv', 'audio/x-ms-wma', 'application/vnd.ms-asf'],
    also: ['video/x-ms-asf', 'audio/x-ms-asf'],
  },
  { types: ['audio/wav'] },
  { types: ['audio/aiff'] },
  { types: ['audio/midi'] },
  { types: ['audio/ogg', 'video/ogg', 'application/ogg'] },
  // A FLAC may follow an ID3 tag that fills the head.
  { types: ['audio/flac'], also: ['audio/ogg', 'audio/mpeg'] },
  {
    types: ['audio/mpeg', 'audio/aac'],
    also: [...MPEG_STREAMS, 'audio/wav', 'audio/mp4', 'video/mp4'],
    mayBeUnseen: true,
  },
  { types: ['video/mpeg'], also: MPEG_STREAMS, mayBeUnseen: true },
  // Browsers declare TypeScript and Qt translations (.ts) as a transport stream.
  { types: ['video/mp2t'], also: [...MPEG_STREAMS, ...PLAIN], mayBeUnseen: true },
  { types: ['application/pdf'] },
  {
    types: ['application/postscript', 'application/eps'],
    also: ['application/pdf', 'text/plain'],
    mayBeUnseen: true,
  },
  { types: ['application/rtf'] },
  { types: ['application/zip'], also: PACKAGES },
  // An Office file with a password is a compound file whatever its kind.
  { types: PACKAGES, also: ['application/zip', 'application/x-cfb'] },
  // Windows declares a CSV as Excel, and the old names cover RTF, Word 2 and every later format too.
  {
    types: OLD_OFFICE,
    also: ['application/x-cfb', 'application/zip', ...PACKAGES, 'application/rtf', ...PLAIN],
    mayBeUnseen: true,
  },
  { types: OLD_OFFICE_KIN, also: ['application/x-cfb', ...PLAIN], mayBeUnseen: true },
  { types: ['application/gzip'] },
  { types: ['application/x-bzip2'] },
  { types: ['application/x-xz'] },
  { types: ['application/x-7z-compressed'] },
  { types: ['application/x-rar-compressed'] },
  { types: ['application/x-tar'], mayBeUnseen: true },
  { types: ['font/ttf', 'font/otf', 'font/collection'] },
  { types: ['font/woff', 'font/woff2'] },
]

/** Seen type → the kinds of it that its first bytes do not tell apart. None of them is active content. */
const KINDS: ReadonlyMap<string, readonly string[]> = new Map([
  [OOXML_PACKAGE, OFFICE_PACKAGES],
  ['application/zip', OTHER_PACKAGES],
  ['application/x-cfb', [...OLD_OFFICE, ...OLD_OFFICE_KIN, ...OFFICE_PACKAGES]],
  ['application/gzip', ['application/x-tgz']],
  ['application/xml', ['application/vnd.google-earth.kml+xml', 'application/gpx+xml']],
  ['application/ogg', ['audio/ogg', 'video/ogg']],
  ['application/vnd.ms-asf', ['video/x-ms-wmv', 'audio/x-ms-wma']],
  ['video/x-ms-asf', ['video/x-ms-wmv']],
  ['audio/x-ms-asf', ['audio/x-ms-wma']],
  ['audio/mpeg', ['audio/flac', 'audio/aac']],
  ['video/mp4', [...ISO_AUDIO, 'application/mp4', 'video/x-m4v']],
  ['video/3gpp', ['audio/3gpp', 'audio/mp4', 'video/mp4']],
  ['video/webm', ['audio/webm']],
  ['video/matroska', ['audio/matroska']],
  ['image/heif', ['image/heic', 'image/avif']],
  ['image/tiff', RAW_PHOTOS],
  ['text/plain', TEXTS],
])

const FAMILY_OF: ReadonlyMap<string, Family> = new Map(
  FAMILIES.flatMap((family) => family.types.map((type) => [type, family])),
)

/**
 * Whether bytes seen as one type cannot be a file of the declared type.
 *
 * @param seen a type as it was seen; application/octet-stream where nothing was
 * @param declared a canonical type; one without a signature is never contradicted
 */
export function contradicts(seen: string, declared: string): boolean {
  const family = FAMILY_OF.get(declared)
  if (family === undefined) return false
  const type = canonicalType(seen)
  if (type === 'application/octet-stream') return family.mayBeUnseen !== true
  return !family.types.includes(type) && family.also?.includes(type) !== true
}

/** The declared type where it is one of the kinds that the seen type may be, else the name of the seen type. */
export function narrowType(seen: string, declared: string): string {
  if (KINDS.get(canonicalType(seen))?.includes(declared)) return declared
  return seen === OOXML_PACKAGE ? 'application/zip' : seen
}

function prefixed(prefix: string, lines: readonly string[]): readonly string[] {
  return lines.flatMap((line) => line.split(' ')).map((word) => prefix + word)
}
