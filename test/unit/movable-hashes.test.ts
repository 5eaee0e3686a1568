import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MovableHashes } from '../../server/files/movable-hashes.js'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

test('a digest goes on from its saved state, also beside others', async () => {
  const hashes = await MovableHashes.load()
  const first = hashes.fresh()
  const other = hashes.fresh()
  first.update(Buffer.from('x'.repeat(1000)))
  other.update(Buffer.from('other'))
  const elsewhere = (await MovableHashes.load()).from(`${first.save?.()}`)
  elsewhere?.update(Buffer.from('yz'))
  assert.is(elsewhere?.digest('hex'), sha256(`${'x'.repeat(1000)}yz`))
  assert.is(first.digest('hex'), sha256('x'.repeat(1000)), 'the one that was saved is as it was')
  assert.is(other.digest('hex'), sha256('other'))
  assert.is(hashes.fresh().digest('hex'), sha256(''))
})

test('a copy of a digest stays as it is while the digest goes on', async () => {
  const digest = (await MovableHashes.load()).fresh()
  digest.update(Buffer.from('abc'))
  const copy = digest.copy()
  digest.update(Buffer.from('def'))
  assert.is(copy.digest('hex'), sha256('abc'))
  assert.is(digest.digest('hex'), sha256('abcdef'))
})

test('a state that the library cannot load is not used', async () => {
  const hashes = await MovableHashes.load()
  const saved = Buffer.from(`${hashes.fresh().save?.()}`, 'base64')
  assert.ok(hashes.from(saved.toString('base64')))
  assert.is(hashes.from(''), undefined)
  assert.is(hashes.from(saved.subarray(1).toString('base64')), undefined, 'one that is too short')
  saved[0] = (saved[0] ?? 0) ^ 1
  assert.is(hashes.from(saved.toString('base64')), undefined, 'one of another version of the library')
})

test.run()
