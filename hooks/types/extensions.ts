import otherTypes from 'mime/types/other.js'
import standardTypes from 'mime/types/standard.js'
import { aliasedTypes, canonicalType } from './names.js'

/**
 * Types with all their extensions, where `mime` has fewer or others. If two types have the same extension, the first
 * one is more likely.
 */
const OWN: readonly (readonly [type: string, extensions: string])[] = [
  ['application/x-subrip', 'srt'],
  ['application/x-ndjson', 'ndjson jsonl'],
  ['application/geo+json', 'geojson'],
  ['text/markdown', 'md markdown mdown mkd mdx rmd qmd'],
  ['text/tab-separated-values', 'tsv tab'],
  ['text/x-ssa', 'ass ssa'],
  ['text/x-python', 'py pyi'],
  ['text/x-ruby', 'rb'],
  ['text/x-go', 'go'],
  ['text/x-rust', 'rs'],
  ['text/x-bibtex', 'bib'],
  ['text/x-diff', 'diff patch'],
  ['application/vnd.garmin.tcx+xml', 'tcx'],
  ['application/x-fictionbook+xml', 'fb2'],
  ['application/ttml+xml', 'ttml dfxp'],
  ['application/vnd.jgraph.mxfile', 'drawio'],
  ['model/vnd.collada+xml', 'dae'],
  ['application/x-plist', 'plist'],
  ['audio/x-mpegurl', 'm3u'],
  ['audio/x-scpls', 'pls'],
  ['application/x-cue', 'cue'],
  ['application/x-ply', 'ply'],
  ['chemical/x-pdb', 'pdb'],
  ['chemical/x-mdl-molfile', 'mol'],
  ['model/step', 'step stp stpnc p21 210 ifc'],
  ['application/xliff+xml', 'xlf xliff'],
  ['application/fits', 'fits fts'],
  ['video/3gpp', '3gp 3gpp'],
  ['audio/3gpp', '3gp 3gpp 3ga'],
  ['video/3gpp2', '3g2 3gpp2'],
  ['audio/3gpp2', '3g2'],
  ['audio/mp4', 'm4a m4b m4p m4r f4a'],
  ['video/mp4', 'mp4 mpg4 f4v f4p'],
  ['application/mp4', 'mp4 mpg4'],
  ['video/x-m4v', 'm4v'],
  ['video/quicktime', 'mov qt'],
  ['audio/webm', 'weba'],
  ['audio/matroska', 'mka'],
  ['video/matroska', 'mkv mk3d mks'],
  ['audio/ogg', 'ogg oga opus spx'],
  ['video/ogg', 'ogv ogm ogg'],
  ['application/ogg', 'ogx ogg'],
  ['audio/aac', 'aac adif adts'],
  ['audio/vnd.dolby.dd-raw', 'ac3'],
  ['audio/x-caf', 'caf'],
  ['image/heif', 'heif hif'],
  ['image/heic', 'heic heif hif'],
  ['image/x-icon', 'ico cur'],
  ['image/icns', 'icns'],
  ['image/x-exr', 'exr'],
  ['image/vnd.radiance', 'hdr rgbe pic'],
  ['image/x-tga', 'tga icb vda vst'],
  ['image/x-canon-cr2', 'cr2'],
  ['image/x-canon-cr3', 'cr3'],
  ['image/x-nikon-nef', 'nef nrw'],
  ['image/x-sony-arw', 'arw sr2 srf'],
  ['image/x-olympus-orf', 'orf'],
  ['image/x-panasonic-rw2', 'rw2'],
  ['image/x-pentax-pef', 'pef'],
  ['image/x-samsung-srw', 'srw'],
  ['image/x-fujifilm-raf', 'raf'],
  ['image/x-hasselblad-3fr', '3fr'],
  ['image/x-epson-erf', 'erf'],
  ['image/x-kodak-dcr', 'dcr kdc'],
  ['application/illustrator', 'ai'],
  ['application/postscript', 'ai'],
  ['application/xslt+xml', 'xsl xslt'],
  ['application/vnd.palm', 'pdb'],
  ['application/x-indesign', 'indd'],
  ['image/x-xcf', 'xcf'],
  ['application/vnd.comicbook+zip', 'cbz'],
  ['application/vnd.comicbook-rar', 'cbr'],
  ['application/x-tgz', 'tgz'],
  ['application/zstd', 'zst'],
  ['application/x-lz4', 'lz4'],
  ['application/vnd.ms-visio.drawing', 'vsdx vssx vstx vsdm'],
  ['application/vnd.ms-project', 'mpp mpt'],
  ['application/x-msaccess', 'mdb accdb'],
  ['application/x-sqlite3', 'sqlite sqlite3 db db3 gpkg mbtiles'],
  ['application/vnd.apache.parquet', 'parquet'],
  ['application/avro', 'avro'],
  ['application/x-npy', 'npy'],
  ['application/vnd.hancom.hwp', 'hwp'],
  ['application/vnd.hancom.hwpx', 'hwpx'],
  ['application/vnd.adobe.indesign-idml-package', 'idml'],
  ['application/vnd.xmind.workbook', 'xmind'],
  ['application/vnd.sketch', 'sketch'],
  ['application/x-musescore', 'mscz'],
  ['application/x-krita', 'kra'],
  ['image/openraster', 'ora'],
  ['application/vnd.wolfram.wacz', 'wacz'],
  ['application/x-hdf5', 'h5 hdf5'],
  ['application/x-matlab-data', 'mat'],
  ['application/vnd.ant.fit', 'fit'],
  ['application/vnd.las', 'las'],
  ['application/vnd.laszip', 'laz'],
  ['application/json', 'json jsonc map topojson har'],
  ['text/x-rst', 'rst'],
  ['text/asciidoc', 'adoc asciidoc'],
  ['text/x-perl', 'pl pm'],
  ['text/ldif', 'ldif'],
  ['text/x-opml', 'opml'],
  ['application/mathml+xml', 'mml mathml'],
  ['application/pkcs10', 'csr p10'],
  ['application/pgp-encrypted', 'gpg pgp'],
  ['message/rfc822', 'eml emlx'],
  ['application/x-grib', 'grb grb2 grib grib2'],
  ['image/x-portable-floatmap', 'pfm'],
  ['image/x-portable-arbitrarymap', 'pam'],
  ['image/qoi', 'qoi'],
  ['video/x-dv', 'dv'],
  ['video/x-yuv4mpeg', 'y4m'],
  ['audio/x-mod', 'mod'],
  ['audio/x-gsm', 'gsm'],
  ['audio/l16', 'pcm'],
  ['audio/ac4', 'ac4'],
  ['audio/x-w64', 'w64'],
  ['audio/x-tta', 'tta'],
  ['audio/eac3', 'eac3 ec3'],
  ['audio/vnd.dolby.mlp', 'mlp thd'],
  ['application/vnd.sketchup.skp', 'skp'],
  ['application/x-deb', 'deb'],
  ['application/x-rpm', 'rpm'],
  ['application/x-apple-diskimage', 'dmg'],
  ['application/x-iso9660-image', 'iso'],
]

const TYPES_OF: ReadonlyMap<string, readonly string[]> = tableOfExtensions()
const KNOWN: ReadonlySet<string> = new Set([
  ...OWN.map(([type]) => canonicalType(type)),
  ...Object.keys({ ...standardTypes, ...otherTypes }).map(canonicalType),
  ...aliasedTypes(),
])
// Longer than any useful extension.
const TAIL = 40
/** Slashes and invisible characters, which a system that stores the file may drop too. */
const IGNORED_AT_END = /[\s\p{Cc}\p{Cf}."'/\\]/u

/**
 * The extension of a file's name in lower case, as the system that stores the file reads it: Windows drops
 * dots and blanks at the end, and C ends a name at NUL.
 *
 * @returns '' if it has none
 */
export function extensionOf(filename: string | null): string {
  const name = (filename ?? '').split(/\0|::/, 1)[0] ?? ''
  let end = name.length
  while (end > 0 && IGNORED_AT_END.test(name.charAt(end - 1))) end--
  const tail = name.slice(Math.max(0, end - TAIL), end)
  return /\.([^./\\\s]{1,20})$/.exec(tail)?.[1]?.toLowerCase() ?? ''
}

/** The types that files with this extension have, the likeliest first. */
export function typesOfExtension(extension: string): readonly string[] {
  return TYPES_OF.get(extension) ?? []
}

/** Whether a canonical type is in a table of this folder or of `mime`. Otherwise a client made it up. */
export function isKnownType(type: string): boolean {
  return KNOWN.has(type)
}

function tableOfExtensions(): Map<string, readonly string[]> {
  const table = new Map<string, readonly string[]>()
  const add = (extension: string, type: string): void => {
    const name = canonicalType(type)
    const types = table.get(extension) ?? []
    if (name !== 'application/octet-stream' && !types.includes(name)) table.set(extension, [...types, name])
  }
  for (const [type, extensions] of OWN) for (const each of extensions.split(' ')) add(each, type)
  const own = new Set(table.keys())
  const libraries: Readonly<Record<string, readonly string[]>>[] = [standardTypes, otherTypes]
  // `mime` marks an extension with a star if it belongs to another type first.
  for (const starred of [false, true]) {
    for (const [type, extensions] of libraries.flatMap((each) => Object.entries(each))) {
      for (const each of extensions) {
        const extension = each.replace('*', '')
        if (each.startsWith('*') === starred && !own.has(extension)) add(extension, type)
      }
    }
  }
  return table
}
