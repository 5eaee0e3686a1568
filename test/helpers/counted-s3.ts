import { createHash } from 'node:crypto'
import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Engine } from '../../server/model/engine.js'
import { type NodesPlace, withNodes } from './node-pair.js'
import { bytesOf } from './s3-bodies.js'
import { countS3, type S3Counter } from './s3-counter.js'
import { onS3, type S3Place } from './s3-place.js'
import { eventually } from './server.js'

const WITHIN_MS = 60_000

/** An engine on S3 that each test has for itself, with a way to S3 that counts, and can hold, what passes. */
export interface CountedPlace extends S3Place, NodesPlace {
  readonly radosgw: NodesPlace['radosgw']
  counter: S3Counter
}

/** `test` where radosgw and PostgreSQL are installed, with such an engine. */
export function withCountedS3(suite: Test<CountedPlace>): Test<CountedPlace> {
  const test = withNodes(suite)
  test.before.each(async (place) => {
    place.counter = await countS3(place.radosgw.endpoint)
    Object.assign(place, await onS3(place, { endpoint: place.counter.endpoint }))
  })
  test.after.each(async (place) => {
    await place.end()
    place.counter.close()
  })
  return test
}

/** Asserts that the upload has these bytes, and that nothing else is in the bucket. */
export async function assertWhole(
  place: CountedPlace,
  engine: Engine,
  id: string,
  bytes: Buffer,
): Promise<void> {
  const found = await engine.load(id)
  assert.is(found.kind === 'upload' && found.facts.sha256, createHash('sha256').update(bytes).digest('hex'))
  assert.ok((await bytesOf(engine, id, bytes.length)).equals(bytes), 'the bytes are others')
  await eventually(WITHIN_MS, 'a bucket with nothing but the upload', async () => {
    return (await place.names()).join() === place.keyOf(id) || undefined
  })
}
