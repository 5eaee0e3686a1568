import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { sending } from '../../server/s3/calls.js'

const test = suite('S3: bytes that are sent')

/** What the SDK says of a connection that was refused. */
const AWAY = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

/** How often S3 was asked, and how it ended. */
async function sent(
  signal: AbortSignal | undefined,
  send: (tries: number, abort: AbortSignal) => Promise<string>,
): Promise<{ tries: number; end: string }> {
  let tries = 0
  const bytes = { bytes: 1, stream: () => Readable.from(['x']), ...(signal ? { signal } : {}) }
  const end = await sending(bytes, (_body, { abortSignal }) => send(++tries, abortSignal)).catch(
    (error: unknown) => (error instanceof UploadError ? error.code : 'aborted'),
  )
  return { tries, end }
}

/** Rejects once it is aborted, as the SDK does. */
function untilAborted(abort: AbortSignal): Promise<string> {
  return new Promise((_resolve, reject) => {
    const end = (): void => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }))
    if (abort.aborted) end()
    abort.addEventListener('abort', end)
  })
}

test('they are sent three times where S3 does not answer', async () => {
  const away = async (): Promise<string> => {
    throw AWAY
  }
  assert.equal(await sent(undefined, away), { tries: 3, end: 'storage_unavailable' })
})

test('the second try may succeed', async () => {
  const once = async (tries: number): Promise<string> => {
    if (tries === 1) throw AWAY
    return 'etag'
  }
  assert.equal(await sent(undefined, once), { tries: 2, end: 'etag' })
})

test('their signal ends the try that runs, and there is no other one', async () => {
  const abort = new AbortController()
  const { tries, end } = await sent(abort.signal, (_tries, signal) => {
    abort.abort()
    return untilAborted(signal)
  })
  assert.is(tries, 1)
  assert.is.not(end, 'etag')
})

test('their signal ends the pause before the next try', async () => {
  const abort = new AbortController()
  const { tries } = await sent(abort.signal, async () => {
    setImmediate(() => abort.abort())
    throw AWAY
  })
  assert.is(tries, 1)
})

test('with a signal that has ended already, the first try is aborted', async () => {
  const { tries, end } = await sent(AbortSignal.abort(), (_tries, signal) => untilAborted(signal))
  assert.is(tries, 1)
  assert.is.not(end, 'etag')
})

test.run()
