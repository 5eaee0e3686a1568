import type { Test } from 'uvu'
import { needsPostgres, type Postgres, startPostgres } from './postgres.js'
import { needsRadosgw, type Radosgw, startRadosgw } from './radosgw.js'
import type { TestServer } from './server.js'
import { killServers, startServer } from './servers.js'

/** The servers that the nodes of a file of tests share. */
export interface NodesPlace {
  radosgw: Radosgw
  postgres: Postgres
}

/** `test` where radosgw and PostgreSQL are installed, with both running. */
export function withNodes<Place extends NodesPlace>(suite: Test<Place>): Test<Place> {
  const test = needsRadosgw(needsPostgres(suite))
  test.before(async (place) => {
    const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
    // The SDK's usual place for credentials; the servers have it from here.
    Object.assign(process.env, radosgw.env)
    Object.assign(place, { radosgw, postgres })
  })
  test.after(async ({ radosgw, postgres }) => {
    await killServers()
    await Promise.all([radosgw.end(), postgres.kill()])
  })
  return test
}

/** Starts two nodes on a new bucket and a new database. */
export async function startNodes(
  { radosgw, postgres }: NodesPlace,
  flags: readonly string[] = [],
): Promise<readonly [TestServer, TestServer]> {
  const storage = `s3://${await radosgw.bucket()}/some/where`
  const place = ['--storage', storage, '--database', await postgres.database()]
  const all = [...place, '--s3-endpoint', radosgw.endpoint, '--s3-part-size', '5MiB', ...flags]
  return [await startServer(all), await startServer(all)]
}
