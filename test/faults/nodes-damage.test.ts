// cluster
// time-limit: 600s

import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { s3PlaceOf } from '../../server/model/s3-place.js'
import { keyOf } from '../../server/s3/keys.js'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { idOf, locationOf, send, type TestServer, tus } from '../helpers/server.js'

const PART_BYTES = 5 * 2 ** 20

const damage = suite<Shared & { nodes: Nodes }>('a bucket that somebody else writes')
const test = needsRadosgw(needsPostgres(damage))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
  place.nodes = await Nodes.start(place)
})
test.after(async ({ radosgw, postgres, nodes }) => {
  await nodes.end()
  await Promise.all([radosgw.end(), postgres.kill()])
})

/** The object of an upload. */
function objectOf({ bucket, storage }: Nodes, path: string): { Bucket: string; Key: string } {
  const place = s3PlaceOf(storage)
  if (!place) throw new Error('no place')
  return { Bucket: bucket, Key: keyOf(place, idOf(path)) }
}

/** Its multipart upload, as the ledger has it. */
async function multipartOf(nodes: Nodes, path: string): Promise<string> {
  const { rows } = await nodes.sql.query<{ multipart_id: string }>(
    'SELECT multipart_id FROM s3_uploads WHERE id = $1',
    [idOf(path)],
  )
  return rows[0]?.multipart_id ?? ''
}

async function created(node: TestServer, bytes: number): Promise<string> {
  return new URL(locationOf(await tus.create(node, bytes))).pathname
}

async function finished(node: TestServer, bytes: Buffer): Promise<string> {
  const path = await created(node, bytes.length)
  assert.is((await tus.patch(node, path, 0, bytes)).status, 204)
  return path
}

/** Sends what HEAD says is missing, to one node and the other in turn, and holds the file against what was sent. */
async function assertFinishes({ all }: Nodes, path: string, bytes: Buffer): Promise<void> {
  let answer = await tus.head(all[0] ?? never(), path)
  for (let turn = 1; answer.headers['upload-offset'] !== `${bytes.length}`; turn++) {
    assert.ok(turn < 6, `the upload does not come to its end: ${answer.status} ${answer.text}`)
    const node = all[turn % all.length] ?? never()
    answer = await tus.head(node, path)
    assert.is(answer.status, 200)
    const offset = Number(answer.headers['upload-offset'])
    if (offset < bytes.length) answer = await tus.patch(node, path, offset, bytes.subarray(offset))
  }
  const sha256 = createHash('sha256').update(bytes).digest('base64')
  assert.is((await tus.head(all[0] ?? never(), path)).headers['repr-digest'], `sha-256=:${sha256}:`)
  for (const { origin } of all)
    assert.ok((await send(origin, { method: 'GET', path })).bytes.equals(bytes), 'the bytes of the file')
}

function never(): never {
  throw new Error('there is no such node')
}

test('a finished upload whose object somebody removed is 404 on every node', async ({ nodes, radosgw }) => {
  const path = await finished(nodes.node(0), randomBytes(PART_BYTES + 9))
  await radosgw.s3.deleteObject(objectOf(nodes, path))
  for (const node of nodes.all) {
    assert.is((await tus.head(node, path)).status, 404)
    assert.is((await send(node.origin, { method: 'GET', path })).status, 404)
  }
  assert.ok([204, 404].includes((await tus.remove(nodes.node(0), path)).status))
})

test('a finished upload whose object somebody replaced is never sent', async ({ nodes, radosgw }) => {
  const bytes = randomBytes(1000)
  const path = await finished(nodes.node(0), bytes)
  await radosgw.s3.putObject({ ...objectOf(nodes, path), Body: randomBytes(1000) })
  for (const { origin } of nodes.all) assert.is.not((await send(origin, { method: 'GET', path })).status, 200)
  await tus.remove(nodes.node(0), path)
})

test('a multipart upload that somebody aborted is gone, and its id takes nothing more', async ({
  nodes,
  radosgw,
}) => {
  const path = await created(nodes.node(0), 3 * PART_BYTES)
  const first = randomBytes(PART_BYTES + 9)
  assert.is((await tus.patch(nodes.node(0), path, 0, first)).status, 204)
  const multipart = { ...objectOf(nodes, path), UploadId: await multipartOf(nodes, path) }
  await radosgw.s3.abortMultipartUpload(multipart)
  for (const node of [...nodes.all].reverse()) assert.is((await tus.head(node, path)).status, 404)
  assert.is((await tus.patch(nodes.node(0), path, first.length, 'more')).status, 404)
})

test('a part that a late PUT overwrote is seen at the end, and the upload goes on from before it', async ({
  nodes,
  radosgw,
}) => {
  const bytes = randomBytes(3 * PART_BYTES + 9)
  const path = await created(nodes.node(0), bytes.length)
  const cut = 2 * PART_BYTES + 9
  assert.is((await tus.patch(nodes.node(0), path, 0, bytes.subarray(0, cut))).status, 204)
  await radosgw.s3.uploadPart({
    ...objectOf(nodes, path),
    ...{ UploadId: await multipartOf(nodes, path), PartNumber: 2, Body: randomBytes(PART_BYTES) },
  })
  const last = await tus.patch(nodes.all.at(-1) ?? never(), path, cut, bytes.subarray(cut))
  assert.is.not(last.status, 204)
  await assertFinishes(nodes, path, bytes)
  await tus.remove(nodes.node(0), path)
})

damage.run()
