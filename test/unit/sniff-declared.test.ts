import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import {
  type Bytes,
  binary,
  CFB,
  CSV,
  DOCX,
  GARBAGE,
  ID3,
  iso,
  JPEG,
  keeps,
  MKV,
  MP3,
  MP4,
  noise,
  ogg,
  PDF,
  PNG,
  TEXT,
  tar,
  tiff,
  WEBM,
  zip,
} from './sniff-files.js'

test('a harmless file whose declared type is wrong comes in under the type that was seen', async () => {
  const files: [declared: string, seen: string, Bytes][] = [
    ['image/png', 'image/jpeg', JPEG],
    ['image/png', 'application/zip', zip('a')],
    ['image/png', 'text/plain', TEXT],
    ['image/png', 'application/octet-stream', noise(2048)],
    ['image/png', 'text/plain', '\x89P'],
    ['IMAGE/PNG; q=1', 'image/jpeg', JPEG],
    ['image/jpg', 'image/png', PNG],
    ['image/jpeg', 'application/pdf', PDF],
    ['image/heic', 'image/png', PNG],
    ['application/zip', 'application/pdf', PDF],
    ['application/zip', 'application/x-cfb', CFB],
    [DOCX, 'image/png', PNG],
    ['application/msword', 'image/jpeg', JPEG],
    ['application/gzip', 'application/zip', zip('a')],
    ['application/x-tar', 'application/zip', zip('a')],
    ['video/mp4', 'text/plain', TEXT],
    ['video/mp4', 'video/webm', WEBM],
    ['video/webm', 'video/mp4', MP4],
    ['audio/mpeg', 'text/plain', TEXT],
    ['video/mp2t', 'image/png', PNG],
    ['text/html', 'image/png', PNG],
  ]
  for (const [declared, seen, file] of files) await keeps(seen, file, { declared })
})

test('a declared type that says nothing, or nothing that these bytes may be, changes nothing', async () => {
  const types = [null, '', 'null', 'application/octet-stream', 'text/csv', 'image/svg+xml']
  for (const declared of [...types, 'application/x-unheard-of', 'nonsense', 'text/plain; charset=x']) {
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
    [DOCX, DOCX, zip('my letter/word/document.xml')],
    [DOCX, DOCX, CFB],
    ['application/epub+zip', 'application/epub+zip', zip('mimetype', 'application/epub+zip')],
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

test.run()
