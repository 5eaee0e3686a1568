import { parse } from 'content-disposition'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { contentDisposition } from '../../server/model/file-name.js'
import { isShownInline } from '../../server/model/inline-types.js'

const test = suite('file name')

/** What clients of RFC 8187 read, and what those read that know ASCII alone. */
const NAMES: readonly (readonly [given: string | null, name: string, ascii: string])[] = [
  ['a.txt', 'a.txt', 'a.txt'],
  ["it's (1)*.txt", "it's (1)*.txt", "it's (1)_.txt"],
  ['say "hi".txt', 'say "hi".txt', 'say _hi_.txt'],
  ['100%41.txt', '100%41.txt', '100_41.txt'],
  ['a;b=c, d.txt', 'a;b=c, d.txt', 'a;b=c, d.txt'],
  ['Übersicht café.pdf', 'Übersicht café.pdf', 'Ubersicht cafe.pdf'],
  ['🎉 party.png', '🎉 party.png', '_ party.png'],
  ['日本.txt', '日本.txt', '__.txt'],
  ['日本', '日本', '__'],
  ['a\r\nSet-Cookie: b=c', 'aSet-Cookie: b=c', 'aSet-Cookie_ b=c'],
  ['nul\0\x7f\u0085.txt', 'nul.txt', 'nul.txt'],
  ['photo\u202egpj.exe', 'photogpj.exe', 'photogpj.exe'],
  ['\u200fa\u2066b\u2069.txt', 'ab.txt', 'ab.txt'],
  ['../../etc/passwd', 'passwd', 'passwd'],
  ['C:\\Users\\a\\b.txt', 'b.txt', 'b.txt'],
  ['folder/', 'folder', 'folder'],
  ['  a.txt ', 'a.txt', 'a.txt'],
  ['.gitignore', '.gitignore', '.gitignore'],
  ['..', 'download', 'download'],
  ['...', 'download', 'download'],
  ['', 'download', 'download'],
  [' / ', 'download', 'download'],
  [null, 'download', 'download'],
  ['\ud800.txt', '\ufffd.txt', '_.txt'],
]

for (const [given, name, ascii] of NAMES)
  test(`"the name by RFC 8187 … and an ASCII filename= beside it": ${JSON.stringify(given)}`, () => {
    const header = contentDisposition('attachment', given)
    assert.match(header, /^attachment; filename="[ -~]*"; filename\*=UTF-8''[\w%.!#$&+^`|~-]+$/)
    const [, extended = ''] = header.split("UTF-8''")
    assert.is(decodeURIComponent(extended), name)
    assert.is(/filename="([^"]*)"/.exec(header)?.[1], ascii)
    assert.is(parse(header).parameters.filename, name, 'as content-disposition reads it')
  })

test('a name of more than 255 bytes keeps its beginning, its extension, and whole characters', () => {
  for (const [given, end] of [
    [`${'a'.repeat(300)}.jpeg`, 'a.jpeg'],
    [`${'ä🎉'.repeat(200)}.tar`, '.tar'],
    [`a.${'b'.repeat(300)}`, 'b'],
    ['x'.repeat(8192), 'x'],
  ] as const) {
    const name = String(parse(contentDisposition('inline', given)).parameters.filename)
    assert.ok(Buffer.byteLength(name) <= 255 && Buffer.byteLength(name) > 240, name)
    assert.ok(name.endsWith(end), name)
    assert.not(name.includes('\ufffd'))
  }
})

const SHOWN =
  'image/png image/jpeg image/gif image/webp image/avif audio/mpeg audio/ogg video/mp4 video/webm text/plain'
const KEPT =
  'image/svg+xml text/html application/xhtml+xml text/xml application/xml application/pdf application/json text/css ' +
  'text/javascript application/javascript application/octet-stream application/zip text/html;charset=utf-7 video/x message/rfc822'

test('"inline only for types that cannot run script, everything else attachment"', () => {
  for (const type of SHOWN.split(' ')) assert.ok(isShownInline(type), type)
  const named = ['TEXT/PLAIN;charset=x', 'Image/PNG', 'video/mp4; codecs="avc1.42E01E, mp4a.40.2"']
  for (const type of ['text/plain; charset=utf-8', ...named]) assert.ok(isShownInline(type), type)
  const several = ['image/png,text/html', 'text/plain;,text/html', 'text/plain; a="b", text/html']
  for (const type of [...KEPT.split(' '), '', 'image/', 'image/svg+xml; a=image/png', ...several])
    assert.not(isShownInline(type), type)
})

test.run()
