import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createSniffer } from '../../hooks/types/sniff.js'
import { SNIFF_BYTES } from '../../server/model/sniff-bytes.js'
import {
  type Bytes,
  binary,
  CFB,
  ID3,
  iso,
  JPEG,
  keeps,
  MKV,
  MP3,
  MP4,
  MZ,
  noise,
  ogg,
  PDF,
  PNG,
  SVG,
  sniff,
  TEXT,
  tar,
  tiff,
  utf16,
  WEBM,
  zip,
} from './sniff-files.js'

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
      const verdict = await sniffer({
        head,
        whole: true,
        declaredType: 'image/png',
        filename: null,
        accept: null,
      })
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
  // Time of the processor: a machine with other work lets this process wait.
  const started = process.cpuUsage()
  for (const prefix of prefixes) {
    for (const head of heads) await sniff(prefix + head.repeat(SNIFF_BYTES))
  }
  const { user, system } = process.cpuUsage(started)
  const eachMs = (user + system) / 1e3 / (prefixes.length * heads.length)
  assert.ok(eachMs < 5, `${eachMs.toFixed(2)} ms each`)
})

test('a head that is cut short is a mistake of the caller', async () => {
  const input = { head: PNG.subarray(0, 100), whole: false, declaredType: null, filename: null, accept: null }
  const error = await createSniffer([])(input).then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.instance(error, RangeError)
  assert.is((await createSniffer([])({ ...input, head: PNG })).type, 'image/png')
})

test.run()
