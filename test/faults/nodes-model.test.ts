// cluster
// time-limit: 600s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { eventually, idOf, send, statusOf } from '../helpers/server.js'
import type { ModelPlace, ModelServer } from '../protocol/model-server.js'
import { tellStories } from '../protocol/model-stories.js'

/** Two nodes, the next of which gets each connection. */
class NodesServer implements ModelServer {
  readonly #nodes: Nodes

  constructor(nodes: Nodes) {
    this.#nodes = nodes
  }

  get now(): ModelPlace {
    const { front, stored, all } = this.#nodes
    return { ...front, stored, recordsLag: all.length > 1, underWay: (path) => this.#underWay(path) }
  }

  async restart(dead = async (): Promise<void> => {}): Promise<void> {
    const { last } = this.#nodes.proxy
    await this.#nodes.kill(last)
    await dead()
    await this.#nodes.restart(last)
  }

  async unharmed(): Promise<void> {
    for (const { origin } of this.#nodes.all)
      assert.is((await send(origin, { method: 'GET', path: '/healthz' })).status, 200)
    await this.#nodes.idle()
    await this.#nodes.onlyHas()
  }

  async #underWay(path: string): Promise<void> {
    await eventually(WITHIN_MS, 'a request that a node receives', async () => {
      const all = await Promise.all(this.#nodes.all.map(statusOf))
      return all.some(({ active }) => active.some(({ id }) => id === idOf(path))) || undefined
    })
  }

  end(): Promise<void> {
    return this.#nodes.end()
  }
}

const WITHIN_MS = 60_000
/** `TIME_MS=1800000` for the whole proof. */
const TIME_MS = Number(process.env.TIME_MS ?? 15_000)

const nodes = suite<Shared & { server: ModelServer }>('model on two nodes')
const test = needsRadosgw(needsPostgres(nodes))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres })
  place.server = new NodesServer(await Nodes.start(place))
})
test.after(async ({ radosgw, postgres, server }) => {
  await server.end()
  await Promise.all([radosgw.end(), postgres.kill()])
})

test('two nodes that get requests in turn answer every sequence of requests, cuts and kills as the model does', async ({
  server,
}) => {
  await tellStories(server, TIME_MS)
})

nodes.run()
