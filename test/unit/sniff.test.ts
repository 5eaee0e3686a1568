import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createSniffer, SNIFF_BYTES, type SniffVerdict } from '../../hooks/sniff.js'

type Bytes = string | readonly number[] | Uint8Array

/** Bytes from strings (one character a byte), numbers and buffers in a row. */
function bytes(...parts: Bytes[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  )
}

/** The same bytes in every run, of every value, so that they are no text. */
function noise(length: number): Buffer {
  let state = 12345
  const values = Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff
    return (state >>> 16) & 0xff
  })
  return Buffer.from(values)
}

/** A file of 2 KiB that begins like this. */
function binary(...parts: Bytes[]): Buffer {
  return bytes(...parts, noise(2048)).subarray(0, 2048)
}

function utf16(text: string, order: 'le' | 'be', bom = true): Buffer {
  const little = Buffer.from(bom ? `\ufeff${text}` : text, 'utf16le')
  return order === 'le' ? little : little.swap16()
}

function u16(value: number): number[] {
  return [value & 0xff, value >>> 8]
}

/** A zip whose first entry has this name; deflated, its data is beyond the head or noise. */
function zip(name: string, content?: string): Buffer {
  const size = [...u16(content?.length ?? 9000), 0, 0]
  const method = content === undefined ? 8 : 0
  const header = [20, 0, 0, 0, method, 0, 0, 0, 0, 0, 1, 2, 3, 4, ...size, ...size, ...u16(name.length), 0, 0]
  return binary('PK\x03\x04', header, name, content ?? '')
}

/** A tar whose first file has this name: ustar, or the header from before it. */
function tar(name: string, magic = 'ustar\x0000'): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0, 'latin1')
  header.write('0000644\x000000000\x000000000\x0000000000005\x0000000000000\x00        0', 100, 'latin1')
  header.write(magic, 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return bytes(header, 'hello', Buffer.alloc(507))
}

function iso(brand: string): Buffer {
  return binary([0, 0, 0, 24], 'ftyp', brand, [0, 0, 2, 0], 'isommp41', [0, 0, 0, 8], 'free')
}

function ogg(codec: string): Buffer {
  return binary('OggS', [0, 2], Buffer.alloc(20), [1, 30], codec)
}

/** TIFF whose directory is at the end of the file, as libtiff writes it, or at the start. */
function tiff(directoryAt: number): Buffer {
  return binary('II*\0', [...u16(directoryAt), 0, 0], [1, 0, 0, 1, 3, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0])
}

const PNG = binary('\x89PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', Buffer.alloc(17), [0, 0, 4, 0], 'IDAT')
const JPEG = binary([0xff, 0xd8, 0xff, 0xe0, 0, 16], 'JFIF\0')
const PDF = binary('%PDF-1.7\n%\xe2\xe3\xcf\xd3\n')
const CFB = binary([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
const MP4 = iso('mp42')
const WEBM = binary([0x1a, 0x45, 0xdf, 0xa3, 0x9f, 0x42, 0x86, 0x81, 1, 0x42, 0x82, 0x84], 'webm')
const MKV = binary([0x1a, 0x45, 0xdf, 0xa3, 0x9f, 0x42, 0x86, 0x81, 1, 0x42, 0x82, 0x88], 'matroska')
const ID3 = binary('ID3', [4, 0, 0, 0, 0, 0x7f, 0x7f])
const MP3 = binary([0xff, 0xfb, 0x90, 0x64, 0])
const GARBAGE = binary([0, 0, 0, 0, 0, 0, 0, 0])
const TEXT = 'Grüße aus Köln, and a second sentence.\n'.repeat(40)
const CSV = 'MAC address,Host\n00:11:22:33:44:55,printer\n'.repeat(30)
const ELF = binary('\x7fELF', [2, 1, 1, 0])
const MZ = binary('MZ\x90\0', Buffer.alloc(56), [0x80, 0, 0, 0])
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="8"><path d="M0 0h8"/></svg>'
const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'

interface Options {
  readonly declared?: string | null
  readonly filename?: string
  readonly accept?: readonly string[]
}

/** What is decided at 512 bytes, or at the end of a shorter file. */
function sniff(file: Bytes, options: Options = {}): Promise<SniffVerdict> {
  const all = typeof file === 'string' ? Buffer.from(file) : bytes(file)
  return createSniffer(options.accept ?? [])({
    head: all.subarray(0, SNIFF_BYTES),
    whole: all.length < SNIFF_BYTES,
    declaredType: options.declared ?? null,
    filename: options.filename ?? null,
  })
}

async function keeps(type: string, file: Bytes, options: Options = {}): Promise<void> {
  const verdict = await sniff(file, options)
  assert.equal(verdict, { accepted: true, type }, `${JSON.stringify(options)} ${describe(file)}`)
}

async function refuses(reason: RegExp, file: Bytes, options: Options = {}): Promise<void> {
  const verdict = await sniff(file, options)
  assert.match(verdict.accepted ? `kept as ${verdict.type}` : verdict.reason, reason, describe(file))
}

function describe(file: Bytes): string {
  return JSON.stringify(bytes(file).subarray(0, 40).toString('latin1'))
}

test('keeps a file under the type its signature shows', async () => {
  const files: [string, Bytes][] = [
    ['image/png', PNG],
    ['image/jpeg', JPEG],
    ['image/gif', binary('GIF89a', [1, 0, 1, 0])],
    ['image/webp', binary('RIFF', [9, 0, 0, 0], 'WEBPVP8 ')],
    ['image/bmp', binary('BM', [9, 9, 0, 0, 0, 0])],
    ['image/tiff', tiff(8)],
    ['application/pdf', PDF],
    ['application/zip', zip('photos/one.jpg')],
    ['application/x-cfb', CFB],
    ['application/gzip', gzipSync(noise(900))],
    ['application/x-tar', tar('notes.txt')],
    ['application/x-tar', tar('notes.txt', '')],
    ['video/mp4', MP4],
    ['video/quicktime', iso('qt  ')],
    ['image/heic', iso('heic')],
    ['image/avif', iso('avif')],
    ['audio/x-m4a', iso('M4A ')],
    ['video/3gpp', iso('3gp4')],
    ['video/webm', WEBM],
    ['video/matroska', MKV],
    ['audio/ogg; codecs=opus', ogg('OpusHead')],
    ['audio/mpeg', ID3],
    ['audio/mpeg', MP3],
    ['audio/wav', binary('RIFF', [9, 0, 0, 0], 'WAVEfmt ')],
    ['audio/flac', binary('fLaC', [0, 0, 0, 34])],
  ]
  for (const [type, file] of files) await keeps(type, file)
})

test('keeps what shows nothing as application/octet-stream, and text as text/plain', async () => {
  await keeps('application/octet-stream', noise(2048))
  await keeps('application/octet-stream', Buffer.alloc(2048))
  await keeps('application/octet-stream', [])
  await keeps('application/octet-stream', [], { declared: 'image/png' })
  await keeps('text/plain', TEXT)
  await keeps('text/plain', Buffer.from(TEXT, 'latin1'))
  await keeps('text/plain', utf16(TEXT, 'le'))
  await keeps('text/plain', utf16(TEXT, 'be'))
  await keeps('text/plain', 'x')
})

test('sees a format whose directory lies beyond the head by its signature alone', async () => {
  await keeps('image/tiff', tiff(60000))
  await keeps('image/tiff', tiff(60000), { declared: 'image/tiff' })
  await keeps('image/png', binary('\x89PNG\r\n\x1a\n', 'xxxxyyyy'), { declared: 'image/png' })
  await keeps('video/matroska', binary([0x1a, 0x45, 0xdf, 0xa3, 1, 0, 0, 0, 0, 0, 0, 0x1f, 0xec, 0x7f, 0xff]))
  await keeps('audio/wav', binary('RF64', [255, 255, 255, 255], 'WAVEds64'), { declared: 'audio/wav' })
  await keeps('video/mp4', binary([0, 0, 0, 24], 'styp', 'msdh'), { declared: 'video/mp4' })
  await keeps('application/pdf', binary('\0\0\n%PDF-1.4\n'), { declared: 'application/pdf' })
})

test('a word at the start of a text, or of the first name in a tar, is no signature', async () => {
  const words = [
    'BM Bank,',
    'MZ,intensity\n',
    'MAC address;',
    'solid advice ',
    'FORM 1040 ',
    'GIF is ',
    'SQLite is ',
  ]
  const more = ['ID3 tags, ', 'AC1020 ', 'PAR1 ', 'the wide ', '%!TEX root\n', 'icns, ', 'GRüße, ']
  for (const word of [...words, ...more]) {
    await keeps('text/plain', word + TEXT)
    await keeps('text/plain', word.trimEnd())
  }
  await keeps('text/plain', `\ufeffMAC address;${TEXT}`)
  for (const name of ['BMW.jpg', 'MZ-backup/list', 'solid state', 'GIF/1', '2024free.txt', 'icns/a']) {
    await keeps('application/x-tar', tar(name), { declared: 'application/x-tar' })
  }
})

test('formats that are text are still seen', async () => {
  await keeps('application/rtf', `{\\rtf1\\ansi ${TEXT}`)
  await keeps('application/pdf', `%PDF-1.3\n1 0 obj\n${'<< /Type /Catalog >>\n'.repeat(40)}`)
  await keeps('application/postscript', `%!PS-Adobe-3.0\n${TEXT}`)
  await keeps('model/stl', `solid part\n  facet normal 0 0 1\n${TEXT}`)
  await keeps('text/vcard', `BEGIN:VCARD\nVERSION:4.0\n${TEXT}`)
  await keeps('application/xml', `<?xml version="1.0"?>\n<!-- ${TEXT} -->\n<note/>`)
  await keeps('image/gif', `GIF89a${'x'.repeat(600)}`)
})

test('refuses executables whatever they are declared as', async () => {
  const programs: [RegExp, Bytes][] = [
    [/ELF/, ELF],
    [/ELF/, `\x7fELF${'x'.repeat(600)}`],
    [/Windows or DOS/, MZ],
    [/Windows or DOS/, binary('MZ')],
    [/Windows or DOS/, `MZ${'x'.repeat(600)}`],
    [/Mach-O/, binary([0xfe, 0xed, 0xfa, 0xce])],
    [/Mach-O/, binary([0xfe, 0xed, 0xfa, 0xcf])],
    [/Mach-O/, binary([0xce, 0xfa, 0xed, 0xfe])],
    [/Mach-O/, binary([0xcf, 0xfa, 0xed, 0xfe])],
    [/Mach-O/, binary([0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 2])],
    [/Mach-O/, binary([0xca, 0xfe, 0xba, 0xbf, 0, 0, 0, 2])],
    [/Mach-O/, binary([0xbe, 0xba, 0xfe, 0xca, 2, 0, 0, 0])],
    [/Java class/, binary([0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52])],
    [/WebAssembly/, binary([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])],
    [/shortcut/, binary([0x4c, 0, 0, 0, 1, 0x14, 2, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46])],
    [/Flash/, binary('CWS\x08')],
    [/registry/, utf16('Windows Registry Editor Version 5.00\r\n\r\n', 'le')],
  ]
  for (const declared of [null, 'application/octet-stream', 'image/png', 'text/plain', 'application/x-tar']) {
    for (const [reason, file] of programs) await refuses(reason, file, { declared })
  }
})

test('refuses a Windows program that also has the header of a tar', async () => {
  const polyglot = tar('MZ')
  polyglot.writeUInt32LE(0x2040, 0x3c)
  await refuses(/Windows or DOS/, polyglot)
})

test('refuses an installer that is declared as one; its bytes are those of any compound file', async () => {
  await refuses(/installer/, CFB, { declared: 'application/x-msi' })
  await refuses(/installer/, CFB, { declared: 'application/x-ms-installer' })
})

test('refuses scripts, and not what only looks like their first line', async () => {
  for (const line of [
    '#!/bin/sh',
    '#! /usr/bin/env python3',
    '#!\t/usr/bin/perl',
    '#!python',
    '\ufeff#!/bin/sh',
  ]) {
    await refuses(/interpreter line/, `${line}\n${TEXT}`)
    await refuses(/interpreter line/, `${line}\n`, { declared: 'text/plain' })
  }
  await refuses(/interpreter line/, binary('#!/bin/sh\ntail -n +2 $0 | tar x\n'))
  await refuses(/PHP/, '\n<?php system($_GET[0]);')
  await refuses(/PHP/, '<?= 1 ?>')
  await refuses(/batch/, '@Echo  off\r\nformat c:\r\n')
  await keeps('text/plain', `#![allow(dead_code)]\n${TEXT}`)
  await keeps('text/plain', `# a heading! \n${TEXT}`)
  await keeps('audio/amr', binary('#!AMR\n', [0x3c]))
  await keeps('application/octet-stream', binary('#!SILK_V3', [0x3c, 0]))
})

test('refuses HTML behind a BOM, white space, comments and declarations, in every encoding', async () => {
  const pages = [
    '<!DOCTYPE html><p>hi',
    '<!doctype  HTML PUBLIC "-//W3C//DTD HTML 4.01//EN">',
    '<html lang="en">',
    '<HTML\n>',
    ' \t\r\n\f<script>alert(1)</script>',
    '<body onload=alert(1)>',
    '<iframe/src=x>',
    '<img src=x onerror=alert(1)>',
    '<a href="javascript:alert(1)">',
    '<!-- a comment --> <html>',
    '<!--><script>alert(1)</script>-->',
    '<!-- one --!><script>alert(1)</script>',
    '<!-- a > b --><!-- two --><title>x</title>',
    `<!-- ${TEXT}`,
    '</x><?y z?><![CDATA[]><h1>x</h1>',
    '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">',
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">',
    '<?xml version="1.0"?><h:html xmlns:h="http://www.w3.org/1999/xhtml">',
    '<?xml version="1.0"?><x xmlns="http://www.w3.org/1999/xhtml">',
  ]
  const encodings = [
    (page: string) => page,
    (page: string) => `\ufeff${page}`,
    (page: string) => utf16(page, 'le'),
    (page: string) => utf16(page, 'be'),
  ]
  for (const page of pages) {
    for (const encode of encodings) await refuses(/HTML document/, encode(page), { declared: 'text/plain' })
  }
  await refuses(/HTML document/, utf16('<html>', 'le', false))
  await refuses(/HTML document/, utf16('<html>', 'be', false))
  await refuses(/HTML document/, '<b>x', { declared: 'text/html' })
  await refuses(/HTML document/, binary('<script>\0\0'))
})

test('prose, source and other markup that speak of HTML are not HTML', async () => {
  const texts = [
    `You write <script src="x"> at the end.\n${TEXT}`,
    'a < b and <html> too',
    '<',
    '<<<<<<< HEAD\n',
    '<1> <script>',
    '<abbreviation>',
    '<project><script language="js"/></project>',
    '<doc one="1" only="x">',
    '<!-- a note -->\nText.',
    '<!ELEMENT note (#PCDATA)>',
  ]
  for (const text of texts) await keeps('text/plain', text, { declared: 'text/plain' })
})

test('Markdown may begin with a tag or a long comment, but not with a document or a handler', async () => {
  const readme = `<h1 align="center">Lading</h1>\n\n${TEXT}`
  await keeps('text/markdown', readme, { declared: 'text/markdown' })
  await keeps('text/plain', readme, { filename: 'README.md' })
  await keeps('text/plain', `<!-- ${TEXT}`, { filename: 'README.MD' })
  await refuses(/HTML/, readme, { filename: 'readme.html' })
  await refuses(/HTML/, '<script>alert(1)</script>', { filename: 'README.md' })
  await refuses(/HTML/, '<p onclick="alert(1)">', { declared: 'text/markdown' })
})

test('keeps an SVG image, and refuses one with a script, a handler or a foreign object', async () => {
  await keeps('image/svg+xml', SVG, { declared: 'image/svg+xml' })
  await keeps('image/svg+xml', `<?xml version="1.0"?>\n<!-- Made by hand -->\n${SVG}`)
  await keeps('image/svg+xml', `<!DOCTYPE svg PUBLIC "x" "y" [ <!ENTITY ns "http://x/"> ]>\n${SVG}`)
  await keeps('image/svg+xml', SVG.replace('<svg ', '<svg:svg xmlns:svg="x" version="1.0" one="1" '))
  const bodies = [
    '<script>alert(1)</script>',
    '<svg:script href="x"/>',
    '<g onclick="alert(1)">',
    '<g\nonload = "alert(1)">',
    '<g id="a"onbegin="alert(1)">',
    '<a href="JavaScript:alert(1)">',
    '<foreignObject>',
  ]
  for (const body of bodies) {
    const image = SVG.replace('<path', `${body}<path`)
    await refuses(/SVG image with a script/, image)
    await refuses(/SVG image with a script/, `<?xml version="1.0"?>${image}`, { declared: 'image/svg+xml' })
    await refuses(/SVG image with a script/, utf16(image, 'le'))
  }
})

test('keeps XML, and refuses XML with a script in it', async () => {
  const sitemap = '<urlset xmlns:xhtml="http://www.w3.org/1999/xhtml"><url><loc>x</loc></url></urlset>'
  await keeps('application/xml', `<?xml version="1.0"?>${sitemap}`, { declared: 'text/xml' })
  await keeps('application/xml', utf16(`<?xml version="1.0"?>${sitemap}`, 'be'))
  await keeps('application/xml', '<?xml version="1.0"?><build><script>x</script></build>')
  await keeps('application/xml', '<?xml version="1.0"?><title>x</title>')
  const script = '<x xmlns:h="http://www.w3.org/1999/xhtml"><h:script>alert(1)</h:script></x>'
  await refuses(/XML with a script/, `<?xml version="1.0"?>${script}`)
})

test('refuses bytes that contradict a declared type that has a signature', async () => {
  const files: [string, Bytes][] = [
    ['image/png', JPEG],
    ['image/png', zip('a')],
    ['image/png', TEXT],
    ['image/png', noise(2048)],
    ['image/png', '\x89P'],
    ['IMAGE/PNG; q=1', JPEG],
    ['image/jpg', PNG],
    ['image/jpeg', PDF],
    ['image/heic', PNG],
    ['application/pdf', PNG],
    ['application/pdf', `A text that names %PDF-1.4 in passing.`],
    ['application/zip', PDF],
    ['application/zip', CFB],
    [DOCX, PNG],
    ['application/msword', JPEG],
    ['application/gzip', zip('a')],
    ['application/x-tar', zip('a')],
    ['video/mp4', PNG],
    ['video/mp4', TEXT],
    ['video/mp4', WEBM],
    ['video/webm', MP4],
    ['audio/wav', JPEG],
    ['audio/mpeg', PNG],
    ['audio/mpeg', TEXT],
    ['video/mp2t', PNG],
  ]
  for (const [declared, file] of files)
    await refuses(/^declared as .*, but its first bytes/, file, { declared })
  assert.equal(await sniff(JPEG, { declared: 'Image/PNG' }), {
    accepted: false,
    type: 'image/jpeg',
    reason: 'declared as image/png, but its first bytes are image/jpeg',
  })
})

test('a declared type without a signature contradicts nothing', async () => {
  const types = [null, '', 'null', 'application/octet-stream', 'text/csv', 'image/svg+xml', 'text/html']
  for (const declared of [
    ...types,
    'application/x-unheard-of',
    'nonsense',
    'model/stl',
    'text/plain; charset=x',
  ]) {
    await keeps('image/png', PNG, { declared })
    await keeps('application/octet-stream', noise(2048), { declared })
  }
})

test('aliases, containers and what browsers get wrong are no contradiction', async () => {
  const files: [declared: string, kept: string, file: Bytes][] = [
    ['image/jpg', 'image/jpeg', JPEG],
    ['image/PJPEG', 'image/jpeg', JPEG],
    ['image/vnd.microsoft.icon', 'image/x-icon', binary([0, 0, 1, 0, 1, 0])],
    ['image/x-icon', 'image/png', PNG],
    ['image/x-canon-cr2', 'image/x-canon-cr2', tiff(60000)],
    ['image/dng', 'image/x-adobe-dng', tiff(60000)],
    ['image/heic', 'image/heic', iso('mif1')],
    ['image/heif', 'image/heic', iso('heic')],
    ['audio/x-m4a', 'audio/mp4', MP4],
    ['audio/x-m4a', 'audio/x-m4a', iso('M4A ')],
    ['video/mp4', 'video/quicktime', iso('qt  ')],
    ['video/quicktime', 'video/quicktime', binary([0, 0, 9, 9], 'mdat')],
    ['video/x-matroska;codecs=avc1', 'video/webm', WEBM],
    ['video/webm', 'video/matroska', MKV],
    ['audio/webm;codecs=opus', 'audio/webm', WEBM],
    ['audio/ogg', 'audio/ogg; codecs=opus', ogg('OpusHead')],
    ['video/ogg', 'video/ogg', ogg('fishead\0')],
    ['audio/mp3', 'audio/mpeg', ID3],
    ['audio/mpeg', 'audio/mpeg', MP3],
    ['audio/mpeg', 'application/octet-stream', GARBAGE],
    ['audio/mpeg', 'audio/wav', binary('RIFF', [9, 0, 0, 0], 'WAVEfmt ')],
    ['audio/flac', 'audio/flac', ID3],
    ['audio/x-wav', 'audio/wav', binary('RIFF', [9, 0, 0, 0], 'WAVEfmt ')],
    ['video/x-msvideo', 'video/vnd.avi', binary('RIFF', [9, 0, 0, 0], 'AVI LIST')],
    ['video/mpeg', 'video/MP2P', binary([0, 0, 1, 0xba, 0x44])],
    ['video/mp2t', 'text/plain', `import { test } from 'uvu'\n${TEXT}`],
    ['video/mp2t', 'application/xml', '<?xml version="1.0"?><!DOCTYPE TS><TS version="2.1">'],
    ['video/mp2t', 'application/octet-stream', GARBAGE],
    ['application/x-zip-compressed', 'application/zip', zip('a')],
    ['application/zip', 'application/zip', 'PK\x05\x06'.padEnd(22, '\0')],
    [DOCX, DOCX, zip('[Content_Types].xml')],
    [DOCX, DOCX, zip('word/document.xml')],
    [DOCX, 'application/zip', zip('my letter/word/document.xml')],
    [DOCX, DOCX, CFB],
    ['application/epub+zip', 'application/epub+zip', zip('mimetype', 'application/epub+zip')],
    ['application/java-archive', 'application/java-archive', zip('com/example/Main.class')],
    ['application/zip', 'application/java-archive', zip('META-INF/MANIFEST.MF')],
    ['model/3mf', 'model/3mf', zip('3D/3dmodel.model')],
    ['application/msword', 'application/msword', CFB],
    ['application/msword', 'application/rtf', `{\\rtf1 ${TEXT}`],
    ['application/vnd.ms-excel', 'text/plain', CSV],
    ['application/x-gzip', 'application/gzip', gzipSync('x')],
    ['application/x-gtar', 'application/x-tar', tar('a')],
    ['application/x-tar', 'application/octet-stream', Buffer.alloc(10240)],
    ['application/postscript', 'application/pdf', PDF],
    ['application/vnd.rar', 'application/x-rar-compressed', binary('Rar!\x1a\x07\x01\0')],
    ['text/csv', 'text/csv', CSV],
    ['application/json', 'application/json', `{ "a": "${TEXT}" }`],
    ['text/javascript', 'text/plain', `alert(1)\n${TEXT}`],
  ]
  for (const [declared, kept, file] of files) await keeps(kept, file, { declared })
})

test('with a list, only what is seen to be on it gets in', async () => {
  const accept = ['image/*', 'Application/PDF']
  for (const [type, file] of [
    ['image/png', PNG],
    ['image/jpeg', JPEG],
    ['application/pdf', PDF],
  ] as const) {
    await keeps(type, file, { accept })
    await keeps(type, file, { accept, declared: 'image/gif' })
  }
  await keeps('image/svg+xml', SVG, { accept })
  for (const file of [MP4, zip('a'), TEXT, CSV, noise(2048), []]) {
    await refuses(/not on the list of accepted types/, file, { accept, declared: 'image/png' })
  }
  for (const file of [PNG, TEXT, noise(2048), []]) {
    assert.ok((await sniff(file, { accept: ['*/*'] })).accepted)
  }
})

test('a list may name a type by an alias, and a kind that its container does not show', async () => {
  await keeps('image/jpeg', JPEG, { accept: ['image/jpg'] })
  await keeps('video/vnd.avi', binary('RIFF', [9, 0, 0, 0], 'AVI LIST'), { accept: ['video/x-msvideo'] })
  await keeps('video/MP2P', binary([0, 0, 1, 0xba, 0x44]), { accept: ['video/mpeg'] })
  await keeps('audio/webm', WEBM, { accept: ['audio/*'], declared: 'audio/webm' })
  await keeps('text/csv', CSV, { accept: ['text/csv'], declared: 'text/csv' })
  await keeps('text/plain', CSV, { accept: ['text/plain'], declared: 'text/csv' })
  await keeps(DOCX, zip('[Content_Types].xml'), { accept: [DOCX], declared: DOCX })
  await keeps('application/zip', zip('[Content_Types].xml'), { accept: ['application/zip'], declared: DOCX })
  await keeps('application/msword', CFB, { accept: ['application/msword'], declared: 'application/msword' })
  await refuses(/seen as application\/zip, /, zip('holiday.jpg'), { accept: [DOCX], declared: DOCX })
  await refuses(/seen as text\/plain, /, TEXT, { accept: ['text/csv'] })
  await refuses(/seen as video\/mp4, /, MP4, { accept: ['image/*'], declared: 'image/heic' })
})

test('a list lets executables and active content in by their exact type only', async () => {
  const active = SVG.replace('<path', '<script/><path')
  for (const accept of [['*/*'], ['application/*', 'image/*', 'text/*']]) {
    await refuses(/ELF/, ELF, { accept })
    await refuses(/HTML/, '<html>', { accept })
    await refuses(/script/, active, { accept })
    await refuses(/interpreter/, '#!/bin/sh\n', { accept })
  }
  await keeps('application/x-elf', ELF, { accept: ['application/x-elf'] })
  await keeps('application/x-msdownload', MZ, { accept: ['application/vnd.microsoft.portable-executable'] })
  await keeps('text/html', '<html>', { accept: ['text/html'] })
  await keeps('image/svg+xml', active, { accept: ['image/svg+xml'] })
  await keeps('text/x-shellscript', '#!/bin/sh\n', { accept: ['application/x-sh'] })
})

test('answers for every beginning of every file, and for bytes made to break the parser', async () => {
  const sniffer = createSniffer([])
  const files = [PNG, JPEG, PDF, CFB, MP4, WEBM, ID3, MZ, tiff(8), zip('mimetype'), ogg('OpusHead'), tar('a')]
  for (const file of [
    ...files,
    zip('[Content_Types].xml', '<x/>'),
    Buffer.from(SVG),
    utf16('<!-- x', 'be'),
  ]) {
    for (let length = 0; length < SNIFF_BYTES; length += length < 64 ? 1 : 37) {
      const head = file.subarray(0, length)
      const verdict = await sniffer({ head, whole: true, declaredType: 'image/png', filename: null })
      assert.type(verdict.type, 'string')
    }
  }
})

test('answers a hostile head in a millisecond or so', async () => {
  const heads = [
    '<!--',
    '<!',
    '</a>',
    '<a ',
    '<!x[',
    ']  ',
    ' on',
    '"onaaa',
    '<a:',
    ' ',
    '%PDF-',
    '<?a?>',
    '<svg on',
  ]
  const prefixes = ['', '<svg ', '<?xml ?>', '<!DOCTYPE x[']
  const started = process.hrtime.bigint()
  for (const prefix of prefixes) {
    for (const head of heads) await sniff(prefix + head.repeat(SNIFF_BYTES))
  }
  const eachMs = Number(process.hrtime.bigint() - started) / 1e6 / (prefixes.length * heads.length)
  assert.ok(eachMs < 5, `${eachMs.toFixed(2)} ms each`)
})

test('a head that is cut short is a mistake of the caller', async () => {
  const input = { head: PNG.subarray(0, 100), whole: false, declaredType: null, filename: null }
  const error = await createSniffer([])(input).then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.instance(error, RangeError)
  assert.is((await createSniffer([])({ ...input, head: PNG })).type, 'image/png')
})

test.run()
