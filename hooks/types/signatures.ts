/** Signatures that file-type lacks, or reports only after reading bytes beyond the head. */
const SIGNATURES: readonly (readonly [type: string, offset: number, bytes: string])[] = [
  ['image/png', 0, '\x89PNG\r\n\x1a\n'],
  ['image/tiff', 0, 'II*\0'],
  ['image/tiff', 0, 'MM\0*'],
  ['image/x-olympus-orf', 0, 'IIRO'],
  ['image/x-olympus-orf', 0, 'IIRS'],
  ['image/x-olympus-orf', 0, 'MMOR'],
  ['image/x-panasonic-rw2', 0, 'IIU\0'],
  ['image/jp2', 0, '\0\0\0\x0cjP  \r\n\x87\n'],
  ['image/x-exr', 0, 'v/1\x01'],
  ['image/vnd.ms-dds', 0, 'DDS |\0\0\0'],
  ['image/vnd.djvu', 0, 'AT&TFORM'],
  ['image/vnd.radiance', 0, '#?RADIANCE\n'],
  ['image/vnd.radiance', 0, '#?RGBE\n'],
  ['video/matroska', 0, '\x1aE\xdf\xa3'],
  ['application/ogg', 0, 'OggS'],
  ['audio/wav', 0, 'RF64'],
  ['audio/wav', 0, 'BW64'],
  ['audio/wav', 0, 'RIFX'],
  ['audio/midi', 8, 'RMID'],
  // Padding may follow a small tag.
  ['audio/mpeg', 0, 'ID3\x02'],
  ['audio/mpeg', 0, 'ID3\x03'],
  ['audio/mpeg', 0, 'ID3\x04'],
  ['audio/basic', 0, '.snd\0\0'],
  ['audio/x-caf', 0, 'caff\0'],
  ['audio/aac', 0, 'ADIF'],
  ['application/x-shockwave-flash', 0, 'ZWS'],
  ['font/ttf', 0, 'true\0'],
  ['font/woff', 0, 'wOFF'],
  ['font/woff2', 0, 'wOF2'],
  ['application/x-msaccess', 4, 'Standard Jet DB\0'],
  ['application/x-msaccess', 4, 'Standard ACE DB\0'],
]
const NETPBM: readonly string[] = [
  'image/x-portable-bitmap',
  'image/x-portable-graymap',
  'image/x-portable-pixmap',
]

/** The type of a signature that file-type does not report, or null. */
export function seeSignature(head: Uint8Array): string | null {
  const found = SIGNATURES.find(([, offset, bytes]) => hasBytes(head, offset, bytes))
  if (found !== undefined) return found[0]
  if (isPcx(head)) return 'image/vnd.zbrush.pcx'
  return seeNetpbm(head)
}

/** P1 to P6, white space or a comment, then the width and the height. */
export function seeNetpbm(head: Uint8Array): string | null {
  const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, 200)).toString('latin1')
  const kind = /^P([1-6])\s(?:\s*#[^\n]*\n)*\s*[0-9]{1,6}\s+[0-9]{1,6}\s/.exec(text)?.[1]
  return kind === undefined ? null : (NETPBM[(Number(kind) - 1) % 3] ?? null)
}

/** Version, run-length encoding, bits a pixel and planes have few values each. */
function isPcx(head: Uint8Array): boolean {
  const [magic, version, encoding, bits] = head
  if (head.length < 128 || magic !== 0x0a || encoding !== 1) return false
  return [0, 2, 3, 4, 5].includes(version ?? 9) && [1, 2, 4, 8].includes(bits ?? 0) && (head[65] ?? 9) <= 4
}

/**
 * Whether the two bytes that begin MPEG audio or AAC are followed by a header that may be one
 * (ISO/IEC 11172-3, section 2.4.1.3): no reserved version, layer, bit rate or sampling rate.
 */
export function isPossibleMpeg(head: Uint8Array): boolean {
  const [sync, second = 0, third = 0] = head
  if (head.length < 4 || sync !== 0xff || second < 0xe0) return false
  const version = (second >> 3) & 3
  if (((second >> 1) & 3) === 0) return (second & 0xf0) === 0xf0 && ((third >> 2) & 15) < 13
  const bitRate = third >> 4
  return version !== 1 && bitRate !== 15 && bitRate !== 0 && ((third >> 2) & 3) !== 3
}

/** Whether an icon or a cursor lists at least one picture, and where it is: a TGA begins like a cursor without pictures. */
export function isPossibleIcon(head: Uint8Array): boolean {
  return ((head[4] ?? 0) | ((head[5] ?? 0) << 8)) > 0
}

/** Kind of picture and bits a pixel of a TGA, which has no signature. */
export function isPossibleTga(head: Uint8Array): boolean {
  const [, map = 9, kind = 0] = head
  return (
    head.length >= 18 &&
    map <= 1 &&
    [1, 2, 3, 9, 10, 11].includes(kind) &&
    [8, 15, 16, 24, 32].includes(head[16] ?? 0)
  )
}

/** Whether the header of a tar is here: ustar at byte 257. */
export function isTar(head: Uint8Array): boolean {
  return hasBytes(head, 257, 'ustar') && (head[262] === 0 || head[262] === 0x20)
}

/** Whether these bytes, one a character, stand at this offset. */
export function hasBytes(head: Uint8Array, offset: number, bytes: string): boolean {
  for (let index = 0; index < bytes.length; index++) {
    if (head[offset + index] !== bytes.charCodeAt(index)) return false
  }
  return true
}
