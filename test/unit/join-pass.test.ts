import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { JoinPass, type PassParts } from '../../server/uploads/joining/join-pass.js'
import type { StoredUpload } from '../../server/uploads/upload.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { codeOf, idOf, storageWith, TYPES } from '../helpers/upload-fakes.js'

const [FINAL, ONE, TWO] = [idOf('f'), idOf('1'), idOf('2')]

/** A final upload and its parts of these texts, whose digests are known, among fakes. */
function place(texts: readonly string[], order?: readonly string[], changes: Partial<PassParts> = {}) {
  const ids = [ONE, TWO].slice(0, texts.length)
  const { engine, textOf } = storageWith({
    ...Object.fromEntries(ids.map((id, at) => [id, texts[at] ?? ''])),
    [FINAL]: '',
  })
  const parts = new Map(
    ids.map((id, at) => {
      const bytes = texts[at]?.length ?? 0
      const part = uploadOf(id, { concat: 'partial', offset: bytes, length: bytes })
      part.setDigestLive(true)
      return [id, part]
    }),
  )
  const final = uploadOf(FINAL, { concat: 'final;x', parts: order ?? ids, length: null })
  const locked: string[] = []
  const finished: string[] = []
  const proven: string[] = []
  const lifecycle: PassParts['lifecycle'] = {
    finish: async ({ id, offset, length }) => void finished.push(`${id.slice(-1)} ${offset} of ${length}`),
    isSound: async () => true,
    verify: async () => {},
    cutDamaged: async (part) => part.fallBack(part.damagedAfter ?? 0),
  }
  const needs: PassParts = {
    tools: {
      ...{ ...TYPES, engine, maxSizeBytes: 100, now: () => 7, isReceiving: () => false },
      underLock: async (id, work) => {
        locked.push(id.slice(-1))
        await work()
      },
    },
    prover: {
      prove: async (part) => {
        proven.push(part.id.slice(-1))
        part.setDigestLive(true)
      },
    },
    uploads: { load: async (id) => parts.get(id) },
    lifecycle,
    ...changes,
  }
  const part = (id: string): StoredUpload => parts.get(id) ?? final
  const all = { pass: new JoinPass(needs), needs, engine, final, part, parts, textOf }
  return { ...all, locked, finished, proven }
}

const test = suite('join pass')

test('"the concatenation of the parts, in the order of the list": a part that is named twice comes twice', async () => {
  const { pass, final, textOf, finished, locked } = place(['one ', 'two '], [TWO, ONE, TWO])
  assert.is(await pass.join(final), true)
  assert.is(textOf(FINAL), 'two one two ')
  assert.equal([final.length, finished, locked], [12, ['f 12 of 12'], ['f']])
})

test('a join that begins again leaves nothing of the one before', async () => {
  const { pass, engine, final, textOf } = place(['one '])
  await engine.join(FINAL, { position: 0, part: ONE, from: 0, bytes: 3 })
  final.mark(3, 'of another time')
  assert.is(await pass.join(final), true)
  assert.equal([textOf(FINAL), final.checkpoints], ['one ', []])
})

test('a part is proven against its digest before its bytes go on; one that falls back stops the join', async () => {
  const { pass, needs, part, final, proven, textOf, finished } = place(['one ', 'two '])
  part(ONE).setDigestLive(false)
  assert.is(await pass.join(final), true)
  assert.equal(proven, ['1'])
  const damaged = place(['one ', 'two '])
  damaged.part(TWO).setDigestLive(false)
  damaged.needs.prover.prove = async (found) => found.setDamaged(2)
  assert.is(await damaged.pass.join(damaged.final), false)
  assert.equal([damaged.part(TWO).offset, damaged.finished, damaged.textOf(FINAL)], [2, [], ''])
  assert.equal([damaged.locked, needs.tools.maxSizeBytes], [['2'], 100])
  assert.equal([finished.length, textOf(FINAL)], [1, 'one two '])
})

test('a part whose file was changed is verified, under its lock', async () => {
  const { pass, needs, final, locked } = place(['one '])
  needs.lifecycle.isSound = async () => false
  needs.lifecycle.verify = async (part) => part.fallBack(0)
  assert.is(await pass.join(final), false)
  assert.equal(locked, ['1'])
})

test('a part that is gone is part_unknown', async () => {
  const { pass, parts, final } = place(['one ', 'two '])
  parts.delete(TWO)
  assert.is(await codeOf(pass.join(final)), 'part_unknown')
  const { pass: other, part, final: its } = place(['one '])
  part(ONE).markGone()
  assert.is(await codeOf(other.join(its)), 'part_unknown')
})

test('the type is decided by the first bytes of the whole, across parts, before any byte is copied', async () => {
  const { pass, needs, final, textOf } = place(['ab', 'cdef'])
  const heads: string[] = []
  const { sniff } = needs.tools
  Object.assign(needs.tools, {
    sniff: (input: Parameters<typeof sniff>[0]) => {
      heads.push(Buffer.from(input.head).toString())
      return sniff(input)
    },
  })
  assert.is(await pass.join(final), true)
  assert.equal([heads, final.type], [['abcd'], 'text/plain'])
  const refused = place(['!', 'more'])
  assert.is(await codeOf(refused.pass.join(refused.final)), 'type_refused')
  assert.equal([refused.textOf(FINAL), refused.finished, textOf(FINAL)], ['', [], 'abcdef'])
})

test('parts that are too large together, or for the disk, are not joined', async () => {
  const { pass, final, finished } = place(['x'.repeat(60), 'y'.repeat(41)])
  assert.is(await codeOf(pass.join(final)), 'size_exceeded')
  const full = place(['one '])
  full.engine.full = true
  assert.is(await codeOf(full.pass.join(full.final)), 'disk_full')
  assert.equal([finished, full.finished], [[], []])
})

test('a join stops where its final upload is removed, or the server ends, and finishes nothing', async () => {
  for (const stop of [
    (final: StoredUpload) => final.markGone(),
    (final: StoredUpload) => final.setHalted(true),
  ]) {
    const { pass, engine, final, finished } = place(['one ', 'two '])
    const { join } = engine
    engine.join = async (...given) => {
      stop(final)
      return join.apply(engine, given)
    }
    assert.match(await codeOf(pass.join(final)), 'Error')
    assert.equal(finished, [])
  }
})

test('a final upload that cannot be finished has no bytes that count', async () => {
  const { pass, needs, final } = place(['one '])
  needs.lifecycle.finish = async () => {
    throw new Error('ENOSPC: no space left on device, write')
  }
  assert.match(await codeOf(pass.join(final)), 'ENOSPC')
  assert.is(final.offset, 0)
})

test.run()
