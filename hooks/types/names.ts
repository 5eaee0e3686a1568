/** Other names, as browsers and systems declare them, of the names that file-type gives. */
const ALIASES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'image/jpeg': 'image/jpg image/pjpeg',
    'image/png': 'image/x-png',
    'image/apng': 'image/vnd.mozilla.apng',
    'image/bmp': 'image/x-bmp image/x-ms-bmp image/x-windows-bmp',
    'image/tiff': 'image/tif image/x-tiff image/x-tif',
    'image/x-icon': 'image/vnd.microsoft.icon image/ico image/icon',
    'image/vnd.adobe.photoshop': 'image/x-photoshop image/psd application/x-photoshop image/x-psd',
    'image/x-adobe-dng': 'image/dng',
    'image/heif': 'image/hif',
    'video/mp4': 'video/x-mp4',
    'video/x-m4v': 'video/m4v',
    'video/matroska': 'video/x-matroska video/mkv video/x-mkv video/matroska-3d',
    'audio/matroska': 'audio/x-matroska',
    'video/vnd.avi': 'video/avi video/x-msvideo video/msvideo',
    'video/x-flv': 'video/flv',
    'video/mpeg': 'video/x-mpeg video/mpg video/mp1s video/mp2p video/mpeg2 video/x-mpeg2',
    'video/mp2t': 'video/vnd.dlna.mpeg-tts video/m2ts video/x-mpegts',
    'application/vnd.ms-asf': 'application/x-ms-asf',
    'audio/mp4': 'audio/x-m4a audio/m4a audio/x-m4b audio/x-m4p audio/x-mp4',
    'audio/mpeg': 'audio/mp3 audio/x-mp3 audio/x-mpeg audio/mpeg3 audio/x-mpeg-3 audio/mpg audio/mp2',
    'audio/aac': 'audio/x-aac audio/aacp audio/x-hx-aac-adts audio/vnd.dlna.adts',
    'audio/wav': 'audio/x-wav audio/wave audio/vnd.wave audio/x-pn-wav',
    'audio/aiff': 'audio/x-aiff',
    'audio/midi': 'audio/mid audio/x-midi audio/x-mid',
    'audio/flac': 'audio/x-flac',
    'audio/ogg': 'audio/opus audio/x-opus+ogg audio/vorbis audio/x-vorbis+ogg audio/x-ogg',
    'video/ogg': 'video/x-ogg video/x-ogm+ogg video/x-theora+ogg',
    'application/ogg': 'application/x-ogg',
    'application/pdf': 'application/x-pdf application/acrobat text/pdf',
    'application/eps': 'application/x-eps image/x-eps image/eps',
    'application/rtf': 'text/rtf text/richtext application/x-rtf',
    'application/zip': 'application/x-zip-compressed application/x-zip multipart/x-zip',
    'application/java-archive': 'application/x-java-archive application/x-jar',
    'application/vnd.comicbook+zip': 'application/x-cbz',
    'application/gzip': 'application/x-gzip application/x-gunzip application/gzipped',
    'application/x-tgz': 'application/x-compressed-tar',
    'application/x-bzip2': 'application/bzip2 application/x-bzip application/x-bz2',
    'application/x-xz': 'application/xz',
    'application/x-7z-compressed': 'application/x-7z',
    'application/x-rar-compressed': 'application/vnd.rar application/x-rar application/rar',
    'application/x-tar': 'application/tar application/x-gtar application/x-ustar',
    'application/x-msi': 'application/x-ms-installer application/x-windows-installer',
    'application/x-elf': 'application/x-executable application/x-sharedlib application/x-pie-executable',
    'application/x-msdownload':
      'application/vnd.microsoft.portable-executable application/x-dosexec application/x-ms-dos-executable application/x-exe',
    'application/x-httpd-php': 'application/x-php text/x-php',
    'text/x-shellscript': 'application/x-sh text/x-sh application/x-shellscript',
    'application/xml': 'text/xml',
    'text/csv': 'application/csv text/x-csv text/comma-separated-values',
    'text/markdown': 'text/x-markdown',
    'application/yaml': 'application/x-yaml text/yaml text/x-yaml',
    'application/json': 'text/json',
    'font/ttf': 'application/x-font-ttf application/font-sfnt font/sfnt application/x-font-truetype',
    'font/otf': 'application/x-font-otf application/x-font-opentype application/vnd.ms-opentype',
    'font/woff': 'application/font-woff application/x-font-woff',
    'font/woff2': 'application/font-woff2',
  }).flatMap(([name, others]) => others.split(' ').map((other) => [other, name])),
)

/**
 * The one name of a media type: lower case, no parameters, aliases resolved.
 * What is no type, such as the word null that Uppy sends for a file without one, is a name nobody knows.
 */
export function canonicalType(type: string): string {
  const bare = (type.split(';', 1)[0] ?? '').trim().toLowerCase()
  return ALIASES.get(bare) ?? bare
}
