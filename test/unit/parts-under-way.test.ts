import { Readable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { S3Bucket } from '../../server/s3/bucket.js'
import { Entry } from '../../server/s3/entry.js'
import type { Change, Kept, Ledger } from '../../server/s3/ledger.js'
import { PartsUnderWay, type SentPart } from '../../server/s3/parts-under-way.js'
import { idOf } from '../helpers/upload-fakes.js'

const ID = idOf('a')
const MULTIPART = { id: 'upload', mark: 'mark' }

/** One call of `putPart`: the test says when S3 has all bytes, and what it answers. */
interface Put {
  readonly number: number
  sent(): Promise<void>
  answer(): void
  fail(error: Error): void
}

class Place {
  readonly puts: Put[] = []
  readonly stored: number[] = []
  readonly aborted: number[] = []
  /** What is aborted fails at once. */
  endsAborted = false
  /** The ledger does not take the part of this number. */
  refused = 0
  readonly #waiting: (() => void)[] = []
  readonly parts: PartsUnderWay

  constructor(tails: Kept['tails'] = [], discarded: string[] = []) {
    const none = { facts: '{}', base: null, parts: [], sender: 1, digest: null, storedAtMs: 0 }
    const kept: Kept = { ...none, id: ID, multipart: MULTIPART, tails }
    const ledger: Pick<Ledger, 'write'> = {
      write: async (_id: string, _token: number, { part }: Change) => {
        if (part?.number === this.refused) throw new Error('PostgreSQL is away')
        this.stored.push(part?.number ?? 0)
        return true
      },
    }
    const bucket: Pick<S3Bucket, 'putPart'> = {
      putPart: (_key, _uploadId, number, { stream, signal }) => this.#put(number, stream(), signal),
    }
    const tools = { tokenOf: () => 1, keyOf: () => 'key' }
    const entry = new Entry(kept, { ...tools, ledger: ledger as Ledger, bucket: bucket as S3Bucket })
    this.parts = new PartsUnderWay(entry, bucket as S3Bucket, (gone) => {
      discarded.push(...gone.map(({ key }) => key))
    })
  }

  part(bytes = 10): SentPart {
    return { multipart: MULTIPART, bytes, digest: undefined, stream: () => Readable.from(['x']) }
  }

  /** Resolves with the call of an index once it has come. */
  async put(index: number): Promise<Put> {
    for (;;) {
      const put = this.puts[index]
      if (put) return put
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Sends a part, all of whose bytes S3 has; it has not answered yet. */
  async sentFirst(): Promise<Put> {
    const first = this.parts.send(this.part())
    const put = await this.put(0)
    await put.sent()
    await first
    return put
  }

  #put(number: number, stream: Readable, signal: AbortSignal | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      signal?.addEventListener('abort', () => {
        this.aborted.push(number)
        if (this.endsAborted) reject(new Error('aborted'))
      })
      const sent = async (): Promise<void> => {
        for await (const _ of stream);
      }
      this.puts.push({ number, sent, answer: () => resolve(`etag-${number}`), fail: reject })
      for (const wake of this.#waiting.splice(0)) wake()
    })
  }
}

/** What became of a promise after everything that is ready has run. */
async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = 'open'
  promise.then(
    () => {
      state = 'done'
    },
    () => {
      state = 'failed'
    },
  )
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  return state
}

test('the next part may be sent once S3 has all bytes of one, and the third once the first is in the ledger', async () => {
  const place = new Place()
  const first = place.parts.send(place.part())
  const one = await place.put(0)
  assert.is(await stateOf(first), 'open')
  await one.sent()
  await first
  assert.equal(place.parts.next, { position: 10, number: 2 })
  const second = place.parts.send(place.part(20))
  const two = await place.put(1)
  assert.equal(place.parts.next, { position: 30, number: 3 })
  await two.sent()
  assert.is(await stateOf(second), 'open', 'the first part is not in the ledger')
  one.answer()
  await second
  assert.equal(place.stored, [1])
  two.answer()
  await place.parts.settle()
  assert.equal(place.stored, [1, 2])
  assert.ok(place.parts.isEmpty)
  assert.equal(place.parts.next, { position: 30, number: 3 })
})

test('a part that S3 has answered waits for the ledger to have the one before', async () => {
  const place = new Place()
  const one = await place.sentFirst()
  const second = place.parts.send(place.part())
  const two = await place.put(1)
  two.answer()
  assert.is(await stateOf(second), 'open')
  assert.equal(place.stored, [])
  one.answer()
  await second
  await place.parts.settle()
  assert.equal(place.stored, [1, 2])
})

test('nothing behind a part that failed comes into the ledger, and both are sent again', async () => {
  const place = new Place()
  const one = await place.sentFirst()
  const second = place.parts.send(place.part())
  const two = await place.put(1)
  two.answer()
  one.fail(new Error('S3 is away'))
  assert.is(await stateOf(second), 'failed')
  assert.equal(place.stored, [])
  assert.ok(place.parts.isEmpty)
  assert.equal(place.parts.next, { position: 0, number: 1 })
  await place.parts.settle()
})

test('while S3 has not answered for a part behind one that failed, none counts as over', async () => {
  const place = new Place()
  const one = await place.sentFirst()
  const second = place.parts.send(place.part())
  const two = await place.put(1)
  one.fail(new Error('S3 is away'))
  assert.is(await stateOf(second), 'open', 'the second part is under way')
  assert.equal(place.aborted.includes(2), true, 'it is sent in vain')
  two.answer()
  assert.is(await stateOf(second), 'failed')
})

test('a part that is aborted behind one that failed is sent again with the next multipart upload', async () => {
  const place = new Place()
  place.endsAborted = true
  const one = await place.sentFirst()
  const second = place.parts.send(place.part())
  await place.put(1)
  assert.not(place.parts.mayComeLate)
  one.fail(new Error('S3 is away'))
  assert.is(await stateOf(second), 'failed')
  assert.ok(place.parts.mayComeLate)
  for (const put of [2, 3]) {
    const again = place.parts.send(place.part())
    const next = await place.put(put)
    next.answer()
    await again
  }
  await place.parts.settle()
  assert.equal(place.stored, [1, 2])
})

test('a failure that somebody waited for without asking is told with the next part, which is not sent', async () => {
  const place = new Place()
  const one = await place.sentFirst()
  one.fail(new Error('S3 is away'))
  await place.parts.ended()
  assert.not(place.parts.isEmpty)
  assert.is(await stateOf(place.parts.send(place.part())), 'failed')
  assert.is(place.puts.length, 1)
  assert.ok(place.parts.isEmpty)
})

test('a failure that is forgotten is not told', async () => {
  const place = new Place()
  const one = await place.sentFirst()
  one.fail(new Error('S3 is away'))
  await place.parts.ended()
  place.parts.forget()
  assert.ok(place.parts.isEmpty)
  const again = place.parts.send(place.part())
  const two = await place.put(1)
  two.answer()
  await again
  await place.parts.settle()
  assert.equal(place.stored, [1])
})

test('nothing behind a part that the ledger does not take comes into it', async () => {
  const place = new Place()
  place.refused = 1
  const one = await place.sentFirst()
  const second = place.parts.send(place.part())
  const two = await place.put(1)
  one.answer()
  two.answer()
  assert.is(await stateOf(second), 'failed')
  assert.equal(place.stored, [])
})

test('the failure of the last part is told to whoever settles it, and only once', async () => {
  const place = new Place()
  const one = await place.sentFirst()
  one.fail(new Error('S3 is away'))
  assert.is(await stateOf(place.parts.settle()), 'failed')
  assert.is(await stateOf(place.parts.settle()), 'done')
})

test('tails go once a part has their bytes', async () => {
  const discarded: string[] = []
  const tail = (key: string, position: number) => ({ key, etag: key, position, bytes: 5 })
  const place = new Place([tail('in', 0), tail('across', 8)], discarded)
  const first = place.parts.send(place.part())
  const one = await place.put(0)
  one.answer()
  await first
  await place.parts.settle()
  assert.equal(discarded, ['in'])
})

test.run()
