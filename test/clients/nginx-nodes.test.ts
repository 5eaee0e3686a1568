// cluster
// time-limit: 600s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { pieces, sendWith, type UploadOptions } from '../helpers/js-client.js'
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

/** With its default options, in chunks, and in parts at once. */
const WAYS: readonly UploadOptions[] = [
  {},
  { chunkSize: 2 * MIB },
  { parallelUploads: 4, chunkSize: 4 * MIB },
]

withNginx('the two configurations differ in the nodes and in the time to connect alone', async () => {
  const own = documentedForNodes()
  assert.match(own, UPSTREAM)
  assert.match(own, CONNECTING)
  assert.is(own.replace(UPSTREAM, '').replace(CONNECTING, ''), documentedForOne().replace(UPSTREAM, ''))
})

withNginx('tus-js-client uploads to two nodes, and to the one that is left', async () => {
  const nodes = await Nodes.start(shared, { count: 2, flags: ['--behind-proxy'] })
  const nginx = await startNginxFor(nodes.all)
  try {
    const { url } = through(nodes.front, nginx)
    const input = Buffer.concat([...pieces(FILE)])
    const paths: string[] = []
    const upload = async (options: UploadOptions): Promise<void> => {
      const sent = await sendWith({ url }, input, options)
      assert.is(sent.digest, reprDigestOf(FILE))
      await assertStoredIn(nodes.stored, sent.path, FILE)
      paths.push(sent.path)
    }
    for (const options of WAYS) await upload(options)
    await nodes.kill(0)
    await upload({ chunkSize: 8 * MIB })
    await nodes.onlyHas(...paths)
  } finally {
    await nginx.stop()
    await nodes.end()
  }
})

two.run()
