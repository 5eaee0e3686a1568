const TEXT_CONTROLS: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0c, 0x0d, 0x1b])

/**
 * Decodes the head of a file as a browser would: by its BOM, as UTF-16 where NUL and `<` say so (XML 1.0,
 * appendix F), else one character a byte, which is enough to find ASCII in UTF-8 and in every 8-bit set.
 */
export function decodeHead(head: Uint8Array): string {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength)
  const first = head[0]
  const second = head[1]
  if (first === 0xef && second === 0xbb && head[2] === 0xbf) return bytes.toString('latin1', 3)
  if (first === 0xff && second === 0xfe) return bytes.toString('utf16le', 2)
  if (first === 0xfe && second === 0xff) return decodeBigEndian(bytes.subarray(2))
  if (first === 0x3c && second === 0) return bytes.toString('utf16le', 0)
  if (first === 0 && second === 0x3c) return decodeBigEndian(bytes)
  return bytes.toString('latin1', 0)
}

function decodeBigEndian(bytes: Buffer): string {
  const even = bytes.subarray(0, bytes.length & ~1)
  return Buffer.from(even).swap16().toString('utf16le', 0)
}

/** Whether there is no binary data byte in a decoded head (WHATWG mimesniff, sections 3 and 7.2). */
export function isText(decoded: string): boolean {
  for (let index = 0; index < decoded.length; index++) {
    const code = decoded.charCodeAt(index)
    if (code < 0x20 && !TEXT_CONTROLS.has(code)) return false
  }
  return decoded.length > 0
}
