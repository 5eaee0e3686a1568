import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  binary,
  CFB,
  CSV,
  DOCX,
  ELF,
  JPEG,
  keeps,
  MP4,
  MZ,
  noise,
  PDF,
  PNG,
  refuses,
  SVG,
  sniff,
  TEXT,
  WEBM,
  zip,
} from './sniff-files.js'

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
    await refuses(/^seen as [\w.+-]+\/[\w.+-]+, which is not accepted here$/, file, {
      accept,
      declared: 'image/png',
    })
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
  await refuses(/seen as application\/zip, /, zip('holiday.jpg'), { accept: [DOCX] })
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

test.run()
