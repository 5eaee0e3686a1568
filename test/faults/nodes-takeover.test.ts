// cluster
// time-limit: 600s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { reprDigestOf } from '../helpers/proof.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { createUpload, offsetOf, Patch, PseudoFile } from '../helpers/sender.js'
import { eventually, send, type TestServer } from '../helpers/server.js'
import { assertStoredIn } from '../helpers/stored.js'

const MIB = 2 ** 20
const WITHIN_MS = 60_000
/** A holder that lives gives an upload at once; the lease of one that is stopped is over after 10 s. The rest is for a slow machine. */
const LIVING_MS = 10_000
const STOPPED_MS = 30_000

const takeovers = suite<Shared & { nodes: Nodes }>('one node takes over from another')
const test = needsRadosgw(needsPostgres(takeovers))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
})
test.before.each(async (place) => {
  place.nodes = await Nodes.start(place)
})
test.after.each(({ nodes }) => nodes.end())
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

/** Begins a PATCH of all that is left, and waits until the node has taken some of it. */
async function under(
  nodes: Nodes,
  node: TestServer,
  path: string,
  file: PseudoFile,
  [from, to]: [number, number],
) {
  const patch = await Patch.begin(node, path, file, from)
  await patch.send(to)
  const isUnderWay = async () => (await nodes.stored.arrivedOf(path)) > from || undefined
  await eventually(WITHIN_MS, 'bytes of the PATCH', isUnderWay)
  return patch
}

/** HEAD until it answers, and what that took: less than `mostMs`. */
async function takenOver(
  node: TestServer,
  path: string,
  mostMs: number,
): Promise<{ offset: number; tookMs: number }> {
  const startedAt = performance.now()
  const offset = await eventually(WITHIN_MS, 'HEAD', () => offsetOf(node, path).catch(() => undefined))
  const tookMs = Math.round(performance.now() - startedAt)
  assert.ok(tookMs < mostMs, `the takeover took ${tookMs} ms`)
  return { offset, tookMs }
}

async function assertFinishes(
  node: TestServer,
  path: string,
  file: PseudoFile,
  offset: number,
): Promise<void> {
  const answer = await (await Patch.begin(node, path, file, offset)).finish()
  assert.is(answer?.status, 204, answer?.text)
  assert.is(answer?.headers.get('repr-digest'), reprDigestOf(file))
}

/** Both nodes give the same bytes. */
async function assertServed(nodes: Nodes, path: string, file: PseudoFile): Promise<void> {
  await assertStoredIn(nodes.stored, path, file)
  for (const { origin } of nodes.all) {
    const { status, headers, bytes } = await send(origin, { method: 'GET', path })
    assert.is(status, 200)
    assert.is(bytes.length, file.size)
    assert.is(headers['repr-digest'], reprDigestOf(file))
  }
}

test('HEAD on another node ends a running PATCH, whose upload goes on there', async ({ nodes }) => {
  const [one, other] = [nodes.node(0), nodes.node(1)]
  const file = new PseudoFile(1, 24 * MIB + 7)
  const path = await createUpload(one, file)
  const tookMs: number[] = []
  let patch = await under(nodes, one, path, file, [0, 6 * MIB])
  let holder = one
  for (const share of [0.4, 0.6, 0.8]) {
    const next = holder === one ? other : one
    const taken = await takenOver(next, path, LIVING_MS)
    tookMs.push(taken.tookMs)
    assert.ok(taken.offset > 0 && taken.offset <= patch.at, `${taken.offset} of ${patch.at}`)
    assert.is.not(
      (await patch.answered)?.status,
      204,
      'the PATCH that was ended does not say that it is whole',
    )
    patch = await under(nodes, next, path, file, [taken.offset, Math.floor(share * file.size)])
    holder = next
  }
  const last = holder === one ? other : one
  const { offset } = await takenOver(last, path, LIVING_MS)
  await assertFinishes(last, path, file, offset)
  console.log(`nodes-takeover: a living holder gave the upload within ${tookMs.join(', ')} ms`)
  await assertServed(nodes, path, file)
  await nodes.onlyHas(path)
})

test('a holder that is stopped for longer than its lease changes nothing afterwards', async ({ nodes }) => {
  const [one, other] = [nodes.node(0), nodes.node(1)]
  const files = [new PseudoFile(2, 24 * MIB + 7), new PseudoFile(3, 24 * MIB + 7)] as const
  const paths = [await createUpload(one, files[0]), await createUpload(one, files[1])] as const
  const stopped = await Promise.all(
    files.map((file, i) => under(nodes, one, paths[i] ?? '', file, [0, 12 * MIB])),
  )
  one.process.kill('SIGSTOP')
  try {
    const taken = await Promise.all(paths.map((path) => takenOver(other, path, STOPPED_MS)))
    console.log(`nodes-takeover: a stopped holder was replaced within ${taken[0]?.tookMs} ms`)
    // One is finished before the holder goes on, the other is under way.
    await assertFinishes(other, paths[0], files[0], taken[0]?.offset ?? 0)
    const from = taken[1]?.offset ?? 0
    const running = await under(nodes, other, paths[1], files[1], [from, from + 6 * MIB])
    one.process.kill('SIGCONT')
    // What the client of the holder had not sent yet comes now.
    await Promise.all(stopped.map((patch) => patch.send()))
    for (const patch of stopped) assert.is.not((await patch.answered)?.status, 204, 'it is refused')
    const answer = await running.finish()
    if (answer?.status !== 204) {
      // A client of the other node may be ended, but must lose nothing.
      const { offset } = await takenOver(other, paths[1], STOPPED_MS)
      await assertFinishes(other, paths[1], files[1], offset)
    } else assert.is(answer.headers.get('repr-digest'), reprDigestOf(files[1]))
  } finally {
    one.process.kill('SIGCONT')
  }
  for (const [i, path] of paths.entries()) await assertServed(nodes, path, files[i] ?? files[0])
  await nodes.idle()
  // A tail that the stopped node was storing may have come late. Like a crash's, it is there until a search for leftovers.
  await nodes.tidy()
  await nodes.onlyHas(...paths)
})

takeovers.run()
