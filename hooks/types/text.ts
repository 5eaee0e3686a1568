/** The C0 controls that old texts have: bell, backspace, tab, LF, VT, FF, CR, the end of file of DOS, and escape. */
const TEXT_CONTROLS: ReadonlySet<number> = new Set([0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1a, 0x1b])
/** ISO-2022-KR and -CN say which set they shift to, and then shift out of ASCII and in again. */
const SHIFTED = '\x1b$)'
const SHIFTS: ReadonlySet<number> = new Set([0x0e, 0x0f])
/** Texts in UTF-16 use letters of few blocks; samples of sound and numbers use many. */
const MOST_BLOCKS = 6
const NO_CHARACTER = /[\p{Surrogate}\ufffe\uffff]/u
/** In so many characters no sound keeps to few blocks by chance. */
const LONG_ENOUGH = 64

/**
 * Decodes the head of a file as a browser would: by its BOM, as UTF-16 where NUL and `<` say so (XML 1.0,
 * appendix F) or all of it is text in UTF-16, else one character a byte, which is enough to find ASCII in UTF-8 and in every 8-bit set.
 *
 * @returns the likeliest reading first. UTF-16 without a BOM is a guess, which a few bytes of a page or a script
 * can bring about on purpose: what runs such a file does not make it, so the bytes are read as they stand too.
 */
export function readHead(head: Uint8Array): readonly [string, ...string[]] {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const first = head[0]
  const second = head[1]
  if (first === 0xef && second === 0xbb && head[2] === 0xbf) return [bytes.toString('latin1', 3)]
  if (first === 0xff && second === 0xfe) return [bytes.toString('utf16le', 2)]
  if (first === 0xfe && second === 0xff) return [decodeBigEndian(bytes.subarray(2))]
  if (first === 0x3c && second === 0 && head[3] === 0) return [bytes.toString('utf16le', 0)]
  if (first === 0 && second === 0x3c && head[2] === 0) return [decodeBigEndian(bytes)]
  const plain = bytes.toString('latin1', 0)
  const guess = decodeBomless(bytes)
  return guess === null ? [plain] : [guess, plain]
}

/** UTF-16 without a BOM, or null where the bytes are no text in it. */
function decodeBomless(bytes: Buffer): string | null {
  // A text has a blank or an end of line, whose other byte is zero.
  if (bytes.length < 4 || !bytes.includes(0)) return null
  const orders = [bytes.toString('utf16le', 0), decodeBigEndian(bytes)]
  return orders.find(isUtf16Text) ?? null
}

function isUtf16Text(text: string): boolean {
  const blocks = new Set<number>()
  let ascii = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0xd800 && code <= 0xdfff) return false
    if (code < 0x20 ? !TEXT_CONTROLS.has(code) : code >= 0xfff0) return false
    if (code < 0x80) ascii++
    blocks.add(blockOf(code))
  }
  const fewest = text.length < LONG_ENOUGH ? text.length / 8 : 1
  return blocks.size <= MOST_BLOCKS && ascii >= fewest
}

/** The letters of Chinese and of Korean have many high bytes. */
function blockOf(code: number): number {
  if (code >= 0x4e00 && code < 0xa000) return 0x4e
  return code >= 0xac00 && code < 0xd800 ? 0xac : code >>> 8
}

function decodeBigEndian(bytes: Buffer): string {
  const even = bytes.subarray(0, bytes.length & ~1)
  return Buffer.from(even).swap16().toString('utf16le', 0)
}

/** Whether there is no binary data byte in a decoded head (WHATWG mimesniff, sections 3 and 7.2). */
export function isText(decoded: string): boolean {
  const isShifted = decoded.includes(SHIFTED)
  for (let index = 0; index < decoded.length; index++) {
    const code = decoded.charCodeAt(index)
    if (code < 0x20 && !TEXT_CONTROLS.has(code) && !(isShifted && SHIFTS.has(code))) return false
  }
  // Half a pair, or U+FFFF: no text in UTF-16, whatever its first two bytes are.
  return decoded.length > 0 && !NO_CHARACTER.test(decoded)
}
