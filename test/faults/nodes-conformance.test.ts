// cluster
// time-limit: 600s

import { suite } from 'uvu'
import { assertConforms, conformance } from '../helpers/conformance.js'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'

const nodes = suite<Shared>('conformance of two nodes')
const test = needsRadosgw(needsPostgres(nodes))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
})
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

test('two nodes that get each connection in turn offer every extension and break no MUST', async (place) => {
  const two = await Nodes.start(place)
  try {
    assertConforms(await conformance(two.front.url, '--json'))
    await two.idle()
    await two.onlyHas()
  } finally {
    await two.end()
  }
})

nodes.run()
