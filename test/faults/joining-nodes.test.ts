// cluster
// time-limit: 600s
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openSql } from '../../server/postgres/pool.js'
import { createPart } from '../helpers/parts.js'
import { needsPostgres, type Postgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, type Radosgw, startRadosgw } from '../helpers/radosgw.js'
import { countS3, type S3Counter } from '../helpers/s3-counter.js'
import { eventually, idOf, locationOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { bounded } from '../helpers/test.js'

const WITHIN_MS = 60_000
const MIB = 1024 * 1024

interface Place {
  radosgw: Radosgw
  postgres: Postgres
  bucket: string
  database: string
  /** The way to S3 of the first node. */
  gate: S3Counter
  one: TestServer
  two: TestServer
}

const nodes = suite<Place>('final uploads on two nodes')
const test = needsRadosgw(needsPostgres(nodes))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  // The SDK's usual place for credentials; the servers have it from here.
  Object.assign(process.env, radosgw.env)
  const [bucket, database] = await Promise.all([radosgw.bucket(), postgres.database()])
  const gate = await countS3(radosgw.endpoint)
  const flags = ['--storage', `s3://${bucket}/some/where`, '--database', database, '--s3-part-size', '5MiB']
  Object.assign(place, { radosgw, postgres, bucket, database, gate })
  place.one = await startServer([...flags, '--s3-endpoint', gate.endpoint])
  place.two = await startServer([...flags, '--s3-endpoint', radosgw.endpoint])
})
test.after(async ({ radosgw, postgres, gate }) => {
  await killServers()
  gate.close()
  await Promise.all([radosgw.end(), postgres.kill()])
})

const pathOf = (location: string): string => new URL(location).pathname
const digestOf = (bytes: Buffer): string => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`

/** The keys in the bucket with this in them, and of multipart uploads. */
async function names({ radosgw, bucket }: Place, text: string): Promise<string[]> {
  const { Contents = [] } = await radosgw.s3.listObjectsV2({ Bucket: bucket })
  const { Uploads = [] } = await radosgw.s3.listMultipartUploads({ Bucket: bucket })
  const all = [...Contents.map(({ Key }) => `${Key}`), ...Uploads.map(({ Key }) => `multipart ${Key}`)]
  return all.filter((name) => name.includes(text))
}

/** Creates a part of these bytes and stores the first ones; its path. */
async function partOf(server: TestServer, bytes: Buffer, stored = bytes.length): Promise<string> {
  return pathOf(await createPart(server, bytes, stored))
}

async function assertJoined(server: TestServer, path: string, bytes: Buffer): Promise<void> {
  const whole = await eventually(WITHIN_MS, `${path} joined`, async () => {
    const answer = await fetch(`${server.origin}${path}`)
    const got = Buffer.from(await answer.arrayBuffer())
    return answer.status === 200 ? { got, digest: answer.headers.get('repr-digest') } : undefined
  })
  assert.ok(whole.got.equals(bytes), 'the bytes are others')
  assert.is(whole.digest, digestOf(bytes))
}

/** Parts that were joined go in the background. */
async function assertGone(place: Place, ...paths: readonly string[]): Promise<void> {
  for (const path of paths)
    await eventually(WITHIN_MS, `the end of ${path}`, async () => {
      return (await names(place, idOf(path))).length === 0 || undefined
    })
}

test('a final upload of one node is joined when its last part becomes whole on the other', async (place) => {
  const { one, two } = place
  const bytes = randomBytes(12 * MIB + 7)
  const halves = [bytes.subarray(0, 6 * MIB + 1), bytes.subarray(6 * MIB + 1)]
  const [first = Buffer.of(), second = Buffer.of()] = halves
  const parts = [await partOf(one, first), await partOf(two, second, 5)]
  const made = await tus.join(two, parts)
  assert.is(made.status, 201, made.text)
  const path = pathOf(locationOf(made))
  for (const server of [one, two]) {
    const head = await tus.head(server, path)
    assert.equal([head.status, head.headers['upload-offset']], [200, undefined], 'it waits')
  }
  const last = await tus.patch(one, parts[1] ?? '', 5, second.subarray(5))
  assert.is(last.status, 204, last.text)
  await assertJoined(two, path, bytes)
  const head = await tus.head(one, path)
  assert.is(head.headers['upload-offset'], `${bytes.length}`)
  await assertGone(place, ...parts)
  assert.equal((await names(place, idOf(path))).length, 1)
})

test('"a final upload": the same request on the other node makes no second one, open or joined', async ({
  one,
  two,
}) => {
  const bytes = randomBytes(2000)
  const parts = [await partOf(one, bytes.subarray(0, 900)), await partOf(one, bytes.subarray(900), 3)]
  const path = pathOf(locationOf(await tus.join(one, parts)))
  assert.is(pathOf(locationOf(await tus.join(two, parts))), path)
  await tus.patch(two, parts[1] ?? '', 3, bytes.subarray(903))
  await assertJoined(one, path, bytes)
  for (const server of [one, two]) assert.is(pathOf(locationOf(await tus.join(server, parts))), path)
  const other = await tus.join(two, [...parts].reverse())
  assert.is(other.status, 400, 'the parts are gone for any other')
})

test('two requests at once, one on each node, make one final upload', async ({ one, two }) => {
  const bytes = randomBytes(3000)
  const parts = [await partOf(one, bytes.subarray(0, 900)), await partOf(two, bytes.subarray(900))]
  const made = await Promise.all([one, two, one, two].map((server) => tus.join(server, parts)))
  const paths = new Set(made.map((answer) => pathOf(locationOf(answer))))
  assert.is(paths.size, 1)
  const [path = ''] = paths
  await assertJoined(two, path, bytes)
})

test('a whole part that is terminated on one node keeps its bytes for the final upload of the other', async (place) => {
  const { one, two } = place
  const bytes = randomBytes(4000)
  const parts = [await partOf(two, bytes.subarray(0, 900)), await partOf(two, bytes.subarray(900), 3)]
  const [whole = '', open = ''] = parts
  const path = pathOf(locationOf(await tus.join(two, parts)))
  assert.is((await tus.remove(one, whole)).status, 204)
  for (const server of [two, one]) assert.is((await tus.head(server, whole)).status, 404)
  await tus.patch(two, open, 3, bytes.subarray(903))
  await assertJoined(one, path, bytes)
  await assertGone(place, ...parts)
})

test('a final upload of one node ends with a part that is terminated on the other before it was whole', async (place) => {
  const { one, two } = place
  const parts = [await partOf(two, Buffer.from('whole')), await partOf(two, Buffer.from('not whole'), 3)]
  const [whole = '', open = ''] = parts
  const path = pathOf(locationOf(await tus.join(two, parts)))
  assert.is((await tus.remove(one, whole)).status, 204)
  assert.is((await tus.remove(one, open)).status, 204)
  await eventually(WITHIN_MS, 'the end of the final upload', async () => {
    return (await tus.head(two, path)).status === 404 || undefined
  })
  await assertGone(place, ...parts, path)
})

test('a part of two final uploads stays until both are joined, whichever node joins them', async (place) => {
  const { one, two } = place
  const both = await partOf(one, Buffer.from('both '))
  const [left, right] = [
    await partOf(one, Buffer.from('left'), 2),
    await partOf(two, Buffer.from('right'), 2),
  ]
  const first = pathOf(locationOf(await tus.join(one, [both, left])))
  const second = pathOf(locationOf(await tus.join(two, [both, right])))
  await tus.patch(one, left, 2, 'ft')
  await assertJoined(two, first, Buffer.from('both left'))
  await assertGone(place, left)
  assert.is((await tus.head(one, both)).status, 200)
  await tus.patch(two, right, 2, 'ght')
  await assertJoined(one, second, Buffer.from('both right'))
  await assertGone(place, both, right)
})

test('a node that dies while it joins leaves the final upload to the next HEAD on another, and nothing else', async (place) => {
  const { one, two, gate } = place
  const bytes = randomBytes(24 * MIB + 5)
  const parts = [await partOf(two, bytes.subarray(0, 12 * MIB)), await partOf(two, bytes.subarray(12 * MIB))]
  const sql = await openSql(place.database)
  const isOpen = async (id: string): Promise<boolean> => {
    const { rows } = await sql.query('SELECT id FROM s3_finals WHERE id = $1 AND is_open', [id])
    return rows.length === 1
  }
  try {
    const completing = new Promise<void>((resolve) => {
      gate.mayPass = async (operation) => {
        if (operation !== 'CompleteMultipartUpload') return true
        resolve()
        await once(one.process, 'exit')
        return false
      }
    })
    const joining = tus.join(one, parts).catch(() => undefined)
    await bounded(WITHIN_MS, completing, 'the last call of the join')
    const { rows } = await sql.query<{ id: string }>('SELECT id FROM s3_finals WHERE is_open')
    const id = rows[0]?.id ?? ''
    assert.ok((await names(place, 'multipart some/where')).length > 0)
    await one.stop('SIGKILL')
    await joining
    assert.ok(await isOpen(id), 'it was joined before the node died')
    const path = `/files/${id}`
    // The lock of the join is free when the lease of the node is over.
    await eventually(WITHIN_MS, 'the join on the other node', async () => {
      const head = await tus.head(two, path)
      return head.headers['upload-offset'] === `${bytes.length}` || undefined
    })
    await assertJoined(two, path, bytes)
    await assertGone(place, ...parts)
    assert.equal(await names(place, 'multipart'), [])
  } finally {
    await sql.end()
  }
})

nodes.run()
