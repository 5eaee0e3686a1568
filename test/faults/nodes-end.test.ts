// waits
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { countS3 } from '../helpers/s3-counter.js'

const ending = suite<Shared>('end of a node')
const test = needsRadosgw(needsPostgres(ending))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
})
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

test('a node that ends while S3 does not answer its search for leftovers gives back what it holds', async (place) => {
  const counter = await countS3(place.radosgw.endpoint)
  const come = new Promise<void>((resolve) => {
    counter.mayPass = async (operation) => {
      if (!operation.startsWith('List')) return true
      resolve()
      return new Promise(() => {})
    }
  })
  const nodes = await Nodes.start(place, { count: 1, endpoint: counter.endpoint })
  try {
    await come
    assert.is((await nodes.sql.query('SELECT 1 FROM nodes')).changes, 1)
    await nodes.node(0).stop()
    assert.is((await nodes.sql.query('SELECT 1 FROM nodes')).changes, 0)
  } finally {
    await nodes.end()
    counter.close()
  }
})

ending.run()
