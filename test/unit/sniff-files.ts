import * as assert from 'uvu/assert'
import { createSniffer, SNIFF_BYTES, type SniffVerdict } from '../../hooks/types/sniff.js'

/** A file in a test; a string is UTF-8 as a whole file and one character a byte as a part of one. */
export type Bytes = string | readonly number[] | Uint8Array

/** Bytes from strings (one character a byte), numbers and buffers in a row. */
export function bytes(...parts: Bytes[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  )
}

/** The same bytes in every run, of every value, so that they are no text. */
export function noise(length: number): Buffer {
  let state = 12345
  const values = Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >>> 16) & 0xff
  })
  return Buffer.from(values)
}

/** A file of 2 KiB that begins like this. */
export function binary(...parts: Bytes[]): Buffer {
  return bytes(...parts, noise(2048)).subarray(0, 2048)
}

export function utf16(text: string, order: 'le' | 'be', bom = true): Buffer {
  const little = Buffer.from(bom ? `\ufeff${text}` : text, 'utf16le')
  return order === 'le' ? little : little.swap16()
}

function u16(value: number): number[] {
  return [value & 0xff, value >>> 8]
}

/** A zip whose first entry has this name; deflated, its data is beyond the head or noise. */
export function zip(name: string, content?: string): Buffer {
  const size = [...u16(content?.length ?? 9000), 0, 0]
  const method = content === undefined ? 8 : 0
  const header = [20, 0, 0, 0, method, 0, 0, 0, 0, 0, 1, 2, 3, 4, ...size, ...size, ...u16(name.length), 0, 0]
  return binary('PK\x03\x04', header, name, content ?? '')
}

/** A tar whose first file has this name: ustar, or the header from before it. */
export function tar(name: string, magic = 'ustar\x0000'): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 'latin1')
  header.write('0000644\x000000000\x000000000\x0000000000005\x0000000000000\x00        0', 100, 'latin1')
  header.write(magic, 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return bytes(header, 'hello', Buffer.alloc(507))
}

export function iso(brand: string): Buffer {
  return binary([0, 0, 0, 24], 'ftyp', brand, [0, 0, 2, 0], 'isommp41', [0, 0, 0, 8], 'free')
}

export function ogg(codec: string): Buffer {
  return binary('OggS', [0, 2], Buffer.alloc(20), [1, 30], codec)
}

/** TIFF whose directory is at the end of the file, as libtiff writes it, or at the start. */
export function tiff(directoryAt: number): Buffer {
  return binary('II*\0', [...u16(directoryAt), 0, 0], [1, 0, 0, 1, 3, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0])
}

export const PNG = binary('\x89PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', Buffer.alloc(17), [0, 0, 4, 0], 'IDAT')
export const JPEG = binary([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF\0')
export const PDF = binary('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n')
export const CFB = binary([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
export const MP4 = iso('mp42')
export const WEBM = binary([0x1a, 0x45, 0xdf, 0xa3, 0x9f, 0x42, 0x86, 0x81, 1, 0x42, 0x82, 0x84], 'webm')
export const MKV = binary([0x1a, 0x45, 0xdf, 0xa3, 0x9f, 0x42, 0x86, 0x81, 1, 0x42, 0x82, 0x88], 'matroska')
export const ID3 = binary('ID3', [4, 0, 0, 0, 0, 0x7f, 0x7f])
export const MP3 = binary([0xff, 0xfb, 0x90, 0x64, 0])
export const GARBAGE = binary([0, 0, 0, 0, 0, 0, 0, 0])
export const TEXT = 'Grüße aus Köln, and a second sentence.\n'.repeat(40)
export const CSV = 'MAC address,Host\n00:11:22:33:44:55,printer\n'.repeat(30)
export const ELF = binary('\x7fELF', [2, 1, 1, 0])
export const MZ = binary('MZ\x90\0', Buffer.alloc(56), [0x80, 0, 0, 0])
export const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8"><path d="M0 0h8"/></svg>'
export const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

export interface Options {
  readonly declared?: string | null
  readonly filename?: string
  readonly accept?: readonly string[]
}

/** What is decided at 512 bytes, or at the end of a shorter file. */
export function sniff(file: Bytes, options: Options = {}): Promise<SniffVerdict> {
  const all = typeof file === 'string' ? Buffer.from(file) : bytes(file)
  return createSniffer(options.accept ?? [])({
    head: all.subarray(0, SNIFF_BYTES),
    whole: all.length < SNIFF_BYTES,
    declaredType: options.declared ?? null,
    filename: options.filename ?? null,
  })
}

export async function keeps(type: string, file: Bytes, options: Options = {}): Promise<void> {
  const verdict = await sniff(file, options)
  assert.equal(verdict, { accepted: true, type }, `${JSON.stringify(options)} ${describe(file)}`)
}

export async function refuses(reason: RegExp, file: Bytes, options: Options = {}): Promise<void> {
  const verdict = await sniff(file, options)
  assert.match(verdict.accepted ? `kept as ${verdict.type}` : verdict.reason, reason, describe(file))
}

function describe(file: Bytes): string {
  return JSON.stringify(bytes(file).subarray(0, 40).toString('latin1'))
}
