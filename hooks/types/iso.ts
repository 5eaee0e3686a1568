import type { Family } from './families.js'

/** Brands of ISO base media files that name one type, and those that name a family. */
const BRANDS: ReadonlyMap<string, readonly [type: string, family: Family | null]> = new Map([
  ...brands('image/heif', 'heif', 'mif1 mif2 mif3 miaf 1pic'),
  ...brands('image/heif-sequence', 'heif', 'msf1'),
  ...brands('image/heic', null, 'heic heix heim heis'),
  ...brands('image/heic-sequence', null, 'hevc hevx hevm hevs'),
  ...brands('image/avif', null, 'avif avis'),
  ...brands('image/x-canon-cr3', null, 'crx'),
  ...brands('image/jxl', null, 'jxl'),
  ...brands('image/jp2', null, 'jp2'),
  ...brands('image/jpx', null, 'jpx'),
  ...brands('image/jpm', null, 'jpm'),
  ...brands('image/mj2', null, 'mjp2 mj2s'),
  ...brands('video/quicktime', null, 'qt'),
  ...brands('video/x-m4v', null, 'M4V M4VH M4VP'),
  ...brands('audio/x-m4a', null, 'M4A'),
  ...brands('audio/mp4', null, 'M4B F4A F4B'),
])
/** The codec of a HEIF file, by its compatible brands. */
const CODECS: readonly (readonly [brand: string, type: string])[] = [
  ['avif', 'image/avif'],
  ['avis', 'image/avif'],
  ['heic', 'image/heic'],
  ['heix', 'image/heic'],
  ['heim', 'image/heic'],
  ['heis', 'image/heic'],
  ['hevc', 'image/heic-sequence'],
  ['hevx', 'image/heic-sequence'],
]
/** Boxes that begin a file without brands, or a segment of one. */
const QUICKTIME_BOXES = new Set(['moov', 'mdat', 'free', 'skip', 'wide', 'pnot'])
const MP4_BOXES = new Set(['styp', 'sidx', 'ssix', 'moof', 'uuid', 'emsg', 'prft', 'pdin', 'meta'])

/** What a head shows of an ISO base media file (ISO/IEC 14496-12) or a QuickTime movie; null for neither. */
export function seeIso(head: Uint8Array): { readonly type: string; readonly family: Family | null } | null {
  const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('latin1')
  const box = text.slice(4, 8)
  if (box === 'ftyp') return seeBrand(text)
  if (head.length < 8) return null
  // The size of a box stands before its name: 0 means up to the end, 1 a long box, anything else is 8 or more.
  const size = new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(0)
  if (size > 1 && size < 8) return null
  if (QUICKTIME_BOXES.has(box)) return { type: 'video/quicktime', family: 'mp4' }
  return MP4_BOXES.has(box) ? { type: 'video/mp4', family: 'mp4' } : null
}

function seeBrand(text: string): { readonly type: string; readonly family: Family | null } | null {
  const brand = text.slice(8, 12).replaceAll('\0', ' ').trim()
  // A text may have these four letters here, but its first bytes are not the size of a box.
  if (!/^[ -~]{2,4}$/.test(brand) && (text.charCodeAt(0) > 0 || text.charCodeAt(1) > 0)) return null
  const known = BRANDS.get(brand)
  if (known === undefined) {
    const picture = pictureOf(text)
    if (picture !== null) return picture
    if (brand.startsWith('3g2')) return { type: 'video/3gpp2', family: '3gpp' }
    return brand.startsWith('3g')
      ? { type: 'video/3gpp', family: '3gpp' }
      : { type: 'video/mp4', family: 'mp4' }
  }
  const [type, family] = known
  if (family !== 'heif') return { type, family }
  const codec = codecOf(text)
  return codec === null ? { type, family } : { type: codec, family: null }
}

/** A picture whose main brand only names a maker or a profile, such as MiHB; a compatible brand names the codec. */
function pictureOf(text: string): { readonly type: string; readonly family: Family | null } | null {
  const codec = codecOf(text)
  if (codec !== null) return { type: codec, family: null }
  const isPicture = [...compatibleBrands(text)].some((brand) => brand === 'mif1' || brand === 'msf1')
  return isPicture ? { type: 'image/heif', family: 'heif' } : null
}

function compatibleBrands(text: string): ReadonlySet<string> {
  const size = text.charCodeAt(3) | (text.charCodeAt(2) << 8)
  const compatible = new Set<string>()
  for (let at = 16; at + 4 <= Math.min(size, text.length); at += 4) compatible.add(text.slice(at, at + 4))
  return compatible
}

function codecOf(text: string): string | null {
  const compatible = compatibleBrands(text)
  return CODECS.find(([brand]) => compatible.has(brand))?.[1] ?? null
}

function brands(
  type: string,
  family: Family | null,
  names: string,
): (readonly [string, readonly [string, Family | null]])[] {
  return names.split(' ').map((name) => [name, [type, family]])
}
