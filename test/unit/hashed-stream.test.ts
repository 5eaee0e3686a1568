import { createHash } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { HashedStream } from '../../server/commands/upload/hashed-stream.js'

const test = suite('hashed stream')

const nothing = (): void => {}

/** The bytes of a slice, and whether it is the last one. */
async function sliceOf(file: HashedStream, start: number, end: number): Promise<[string, boolean]> {
  const { value, done } = await file.slice(start, end)
  let text = ''
  for await (const piece of value) text += piece
  return [text, done]
}

test('what the server has not taken of a chunk is given again, and each byte is digested once', async () => {
  const file = new HashedStream(Readable.from([Buffer.from('abcd'), Buffer.from('ef')]), nothing)
  assert.equal(await sliceOf(file, 0, 4), ['abcd', false])
  assert.equal(await sliceOf(file, 0, 4), ['abcd', false])
  assert.equal(await sliceOf(file, 1, 5), ['bcd', false])
  assert.equal(await sliceOf(file, 4, 8), ['ef', true])
  assert.equal(await sliceOf(file, 5, 8), ['f', true])
  assert.is(await file.digest(), createHash('sha256').update('abcdef').digest('base64'))
})

test('a server that has less than it had ends the upload: those bytes are not here any more', async () => {
  const faults: unknown[] = []
  const file = new HashedStream(Readable.from([Buffer.from('abcd'), Buffer.from('ef')]), (error) =>
    faults.push(error),
  )
  await file.slice(0, 4)
  await file.slice(4, 8)
  for (const start of [3, 7]) {
    const error = await file.slice(start, 8).catch(String)
    assert.is(error, 'Error: the server has lost bytes of the input')
  }
  assert.is(faults.length, 2)
})

test('an input that fails ends the upload', async () => {
  const input = new PassThrough()
  const faults: unknown[] = []
  const file = new HashedStream(input, (error) => faults.push(error))
  input.destroy(new Error('EIO: i/o error, read'))
  assert.match(String(await file.slice(0, 4).catch(String)), 'EIO')
  assert.is(faults.length, 1)
})

test.run()
