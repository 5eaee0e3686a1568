import type { DeliveryCluster } from '../../hooks/delivery/deliveries.js'
import { SqlDeliveries } from '../../hooks/delivery/postgres/sql-deliveries.js'
import type { Cluster } from '../../server/cluster/cluster.js'
import type { Sql } from '../../server/model/sql.js'
import { openCluster } from './cluster-node.js'
import { DONE, KeptPlace, type PlaceOptions } from './deliveries-place.js'
import { LossySql } from './lossy-sql.js'

/** A database for deliveries, and the nodes that were started with it. */
export class SqlDeliveriesPlace extends KeptPlace {
  readonly url: string
  readonly #nodes: Cluster[] = []

  constructor(url: string) {
    super()
    this.url = url
  }

  /** The newest node's connection. */
  get sql(): Sql {
    const node = this.#nodes.at(-1)
    if (!node) throw new Error('no node was started')
    return node.sql
  }

  /** Starts one more node. */
  override async start(options: PlaceOptions = {}): Promise<SqlDeliveries> {
    return this.#start(await this.#join(), options)
  }

  /** Starts one more node, whose deliveries may lose answers of PostgreSQL. */
  async startLossy(): Promise<{ node: SqlDeliveries; sql: LossySql }> {
    const cluster = await this.#join()
    const sql = new LossySql(cluster.sql)
    const lossy = {
      sql,
      get nodeId() {
        return cluster.nodeId
      },
    }
    return { node: await this.#start(lossy, {}), sql }
  }

  async #join(): Promise<Cluster> {
    const cluster = await openCluster(this.url, { leaseMs: 2_000 })
    this.#nodes.push(cluster)
    await cluster.joined()
    return cluster
  }

  async #start(cluster: DeliveryCluster, options: PlaceOptions): Promise<SqlDeliveries> {
    const limits = { pollMs: 20, faultPauseMs: 20, markAgainMs: 20, ...options.limits }
    const deliveries = await SqlDeliveries.start({ ...this.tools, ...options, cluster, limits })
    this.started.push(deliveries)
    return deliveries
  }

  override async end(): Promise<void> {
    await super.end()
    await Promise.all(this.#nodes.splice(0).map((node) => node.close()))
  }

  override async leave(): Promise<void> {
    this.endpoint.answer = () => DONE
    await this.end()
  }
}
