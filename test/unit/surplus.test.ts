import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readAway } from '../../server/http/surplus.js'
import { fakeRequest } from '../helpers/fake-exchange.js'

/** A request whose body has come: chunks of these sizes, and its end. */
function requestOf(...chunks: readonly number[]) {
  const request = fakeRequest('POST', '/files')
  for (const bytes of chunks) request.push(Buffer.alloc(bytes))
  request.push(null)
  return request
}

test('a body that is of no use is read as far as its bound, however small its chunks are', async () => {
  assert.is(await readAway(requestOf(40, 40), 100), 80)
  const request = requestOf(40, 40, 40, 40)
  assert.is(await readAway(request, 100), 120)
  assert.ok(request.isPaused(), 'and no further')
})

test('a body of nothing is over at its end', async () => {
  assert.is(await readAway(requestOf(), 100), 0)
})

test('a body whose connection ends is nobody’s', async () => {
  const request = fakeRequest('POST', '/files')
  const read = readAway(request, 100)
  request.push(Buffer.alloc(40))
  request.destroy()
  assert.is(await read, null)
})

test.run()
