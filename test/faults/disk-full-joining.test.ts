import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fillUpTo, free, onSmallDisks } from '../helpers/full-disk.js'
import { enterOwnMounts } from '../helpers/own-mounts.js'
import { PARTIAL } from '../helpers/parts.js'
import { storedBytes, storedNames } from '../helpers/proof.js'
import { offsetOf, Patch, PseudoFile, printedSeed } from '../helpers/sender.js'
import { eventually, locationOf, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'

const noMounts = enterOwnMounts(import.meta.url)

const MIB = 2 ** 20
/** Two parts and what they are joined into fit on the disk. */
const PART_BYTES = 12 * MIB
const FREE_BYTES = 20 * MIB

const test = suite('joining on a full disk')
test.after(killServers)
const seed = printedSeed('disk-full-joining')
const onSmallDisk = onSmallDisks(test, noMounts)

/** Two parts; `last` is where the second one stands. */
async function twoParts(server: TestServer, last = PART_BYTES): Promise<string[]> {
  const paths: string[] = []
  for (const to of [PART_BYTES, last]) {
    const part = new PseudoFile(seed, PART_BYTES)
    const path = new URL(locationOf(await tus.create(server, part.size, PARTIAL))).pathname
    assert.is((await (await Patch.begin(server, path, part, 0, to)).finish())?.status, 204)
    paths.push(path)
  }
  return paths
}

async function assertWhole(server: TestServer, parts: readonly string[]): Promise<void> {
  for (const path of parts) {
    assert.is(await offsetOf(server, path), PART_BYTES)
    assert.is(storedBytes(server, path), PART_BYTES)
  }
}

onSmallDisk(
  'a final upload that is larger than the free disk gets 507, and its parts stay',
  async (dataDir) => {
    const server = await startServer([], dataDir)
    const parts = await twoParts(server)
    fillUpTo(dataDir, FREE_BYTES)
    const names = storedNames(server)
    const refused = await tus.join(server, parts)
    assert.is(refused.status, 507)
    assert.ok(refused.headers['retry-after'])
    assert.equal(storedNames(server), names, 'nothing is left of it, and nothing has gone')
    await assertWhole(server, parts)
    free(dataDir)
    const joined = await tus.join(server, parts)
    assert.is(joined.status, 201)
    assert.is(storedBytes(server, locationOf(joined)), 2 * PART_BYTES)
    assert.ok((await tus.head(server, locationOf(joined))).headers['repr-digest'])
    assert.is(await server.stop(), 0)
  },
)

onSmallDisk(
  'a final upload that fills the disk while it is joined is joined later, and its parts stay',
  async (dataDir) => {
    const server = await startServer([], dataDir)
    const parts = await twoParts(server, PART_BYTES - 1)
    // Its parts are not whole yet: it is joined once they are.
    const final = new URL(locationOf(await tus.join(server, parts))).pathname
    fillUpTo(dataDir, FREE_BYTES)
    const part = new PseudoFile(seed, PART_BYTES)
    const last = await Patch.begin(server, parts[1] ?? '', part, part.size - 1)
    assert.is((await last.finish())?.status, 204)
    await eventually(60_000, 'the failed joining', async () => {
      return server.log().includes('a final upload could not be joined') ? true : undefined
    })
    await assertWhole(server, parts)
    free(dataDir)
    const head = await eventually(60_000, 'the joined upload', async () => {
      const { headers } = await tus.head(server, final)
      return headers['repr-digest'] === undefined ? undefined : headers
    })
    assert.is(head['upload-offset'], `${2 * PART_BYTES}`)
    assert.is(storedBytes(server, final), 2 * PART_BYTES)
    assert.is(await server.stop(), 0)
  },
)

test.run()
