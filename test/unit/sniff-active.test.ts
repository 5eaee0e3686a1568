import { test } from 'uvu'
import { type Bytes, binary, CFB, ELF, keeps, MZ, refuses, SVG, TEXT, tar, utf16 } from './sniff-files.js'

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
    '<!-- one --!><script>alert(1)</script> -->',
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
    '<b@example.org> wrote:',
    '<x:body xmlns:x="x">',
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
  await keeps('text/markdown', readme, { filename: 'README.md' })
  await keeps('text/markdown', `<!-- ${TEXT}`, { filename: 'README.MD' })
  await refuses(/HTML/, readme, { filename: 'readme.html' })
  await refuses(/HTML/, '<script>alert(1)</script>', { filename: 'README.md' })
  await refuses(/HTML/, '<p onclick="alert(1)">', { declared: 'text/markdown' })
})

test('keeps an SVG image, and refuses one with a script, a handler or a frame', async () => {
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
    '<foreignObject><iframe src="x"/></foreignObject>',
    '<foreignObject><p onclick="x()"/></foreignObject>',
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
  const transform = '<xsl:stylesheet xmlns="http://www.w3.org/1999/xhtml">'
  await keeps('application/xml', `<?xml version="1.0"?>${transform}`)
  const script = '<x xmlns:h="http://www.w3.org/1999/xhtml"><h:script>alert(1)</h:script></x>'
  await refuses(/XML with a script/, `<?xml version="1.0"?>${script}`)
})

test.run()
