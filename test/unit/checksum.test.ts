import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CHECKSUM_BYTES, RunningChecksums } from '../../server/files/checksum.js'
import { copyOf, RollingDigests } from '../../server/files/rolling.js'

// The check values of each algorithm's own specification, over the text "123456789".
const VECTORS = {
  sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
  sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  sha512:
    'd9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85',
  md5: '25f9e794323b453885f5181f1b624d0b',
  crc32: 'cbf43926',
} as const

test('every algorithm gives its check value over bytes that come in pieces', () => {
  const running = new RunningChecksums(Object.keys(CHECKSUM_BYTES))
  for (const piece of ['12345', '', '6789']) running.update(Buffer.from(piece))
  for (const [algorithm, digest] of Object.entries(VECTORS)) assert.is(running.digest(algorithm), digest)
})

test('a digest has the bytes that the table says, also one that begins with zeros', () => {
  const running = new RunningChecksums(Object.keys(CHECKSUM_BYTES))
  running.update(Buffer.from('codding'))
  for (const [algorithm, bytes] of Object.entries(CHECKSUM_BYTES)) {
    assert.is(running.digest(algorithm)?.length, bytes * 2, algorithm)
  }
  assert.is(new RunningChecksums(['crc32']).digest('crc32'), '00000000')
})

test('an algorithm that was not asked for has no digest', () => {
  assert.is(new RunningChecksums(['md5']).digest('sha1'), undefined)
  assert.is(new RunningChecksums(['md5']).digest('crc32'), undefined)
})

test('a rolling digest that is put back goes on as if nothing had come', () => {
  const digests = new RollingDigests()
  const take = (text: string, at: number): void => {
    const state = digests.at('a', at)
    if (!state) throw new Error(`no digest at ${at}`)
    state.hash.update(Buffer.from(text))
    state.offset += text.length
  }
  take('12345', 0)
  const before = copyOf(digests.any('a'))
  take('wrong', 5)
  assert.is(digests.at('a', 5), undefined)
  digests.set('a', before)
  take('6789', 5)
  assert.is(digests.hex('a', digests.any('a'), true), VECTORS.sha256)
  assert.not(digests.standsAt('a', 9))
})

test.run()
