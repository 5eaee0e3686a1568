// cluster
// time-limit: 600s
import { suite } from 'uvu'
import { engineContract } from '../helpers/engine-contract.js'
import type { EnginePlace } from '../helpers/engine-place.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { onS3, type S3Servers } from '../helpers/s3-place.js'

const s3 = suite<EnginePlace & S3Servers>('engine: S3')
const test = needsRadosgw(needsPostgres(s3))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  // The SDK's usual place for credentials.
  Object.assign(process.env, radosgw.env)
  Object.assign(place, { radosgw, postgres })
})
test.after(async ({ radosgw, postgres }) => {
  await Promise.all([radosgw.end(), postgres.kill()])
})

engineContract(test, onS3)
s3.run()
