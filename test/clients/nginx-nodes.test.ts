// waits

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NO_INPUT, readerOf, sendWith, type UploadOptions } from '../helpers/js-client.js'
import { documentedForNodes, documentedForOne, startNginxFor, through } from '../helpers/nginx.js'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { reprDigestOf } from '../helpers/proof.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { PseudoFile } from '../helpers/sender.js'
import { assertStoredIn } from '../helpers/stored.js'
import { needsProgram } from '../helpers/test.js'

const MIB = 2 ** 20
const FILE = new PseudoFile(1, 24 * MIB + 7)
/** What the configuration for two nodes has of its own. */
const UPSTREAM = /^upstream lading \{[\s\S]*?\n\}\n/
const CONNECTING = /\n *#[^\n]*\n *proxy_connect_timeout \S+;/

const two = suite<{ shared: Shared }>('nginx as server/s3/README.md configures it for two nodes')
const test = needsRadosgw(needsPostgres(two))
const withNginx = needsProgram(test, 'nginx')
let shared: Shared

test.before(async () => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  shared = { radosgw, postgres }
})
test.after(async () => {
  await Promise.all([shared.radosgw.end(), shared.postgres.kill()])
})

const WAYS: Readonly<Record<string, UploadOptions>> = {
  'its default options': {},
  'chunks of 2 MiB': { chunkSize: 2 * MIB },
  'four parallel uploads': { parallelUploads: 4, chunkSize: 4 * MIB },
}

withNginx('the two configurations differ in the nodes and in the time to connect alone', async () => {
  const own = documentedForNodes()
  assert.match(own, UPSTREAM)
  assert.match(own, CONNECTING)
  assert.is(own.replace(UPSTREAM, '').replace(CONNECTING, ''), documentedForOne().replace(UPSTREAM, ''))
})

withNginx('tus-js-client uploads to two nodes, and to the one that is left', async () => {
  const nodes = await Nodes.start(shared, { count: 2, flags: ['--behind-proxy'] })
  try {
    const nginx = await startNginxFor(nodes.all)
    const { url } = through(nodes.front, nginx)
    const paths: string[] = []
    const upload = async (options: UploadOptions): Promise<void> => {
      const sent = await sendWith({ url }, NO_INPUT, { fileReader: readerOf(FILE), ...options })
      assert.is(sent.digest, reprDigestOf(FILE))
      await assertStoredIn(nodes.stored, sent.path, FILE)
      paths.push(sent.path)
    }
    for (const options of Object.values(WAYS)) await upload(options)
    await nodes.kill(0)
    await upload({ chunkSize: 8 * MIB })
    await nodes.onlyHas(...paths)
    await nginx.stop()
  } finally {
    await nodes.end()
  }
})

two.run()
