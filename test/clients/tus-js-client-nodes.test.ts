// cluster
// time-limit: 600s

import { suite } from 'uvu'
import { type LinePlace, lineTests } from '../helpers/js-lines.js'
import { Nodes, type Shared } from '../helpers/nodes.js'
import { needsPostgres, startPostgres } from '../helpers/postgres.js'
import { needsRadosgw, startRadosgw } from '../helpers/radosgw.js'
import { tus } from '../helpers/server.js'

/** With `LINES=all` each way meets each trouble; without it, a sound line and one trouble, another one for each way. */
const ALL = process.env.LINES === 'all'
const TROUBLES = 7

interface Place extends Shared {
  /** By `--idle-timeout`: nodes are started once. */
  readonly started: Map<string, Nodes>
}

const lines = suite<Place>('tus-js-client over lines that fail, with each request to another node')
const test = needsRadosgw(needsPostgres(lines))

test.before(async (place) => {
  const [radosgw, postgres] = await Promise.all([startRadosgw(), startPostgres()])
  Object.assign(place, { radosgw, postgres, started: new Map() })
})
test.after(async ({ radosgw, postgres, started }) => {
  await Promise.all([...started.values()].map((nodes) => nodes.end()))
  await Promise.all([radosgw.end(), postgres.kill()])
})

async function open(place: Place, idleTimeout: string): Promise<LinePlace> {
  const flags = ['--idle-timeout', idleTimeout]
  const nodes = place.started.get(idleTimeout) ?? (await Nodes.start(place, { flags, eachRequest: true }))
  place.started.set(idleTimeout, nodes)
  const { front: server, stored } = nodes
  return {
    ...{ server, stored, idle: () => nodes.idle() },
    // The next test finds no upload. What is left after its removal is left for ever.
    end: async () => {
      for (const id of await stored.ids()) await tus.remove(server, `/files/${id}`)
      await nodes.onlyHas()
    },
  }
}

/** The troubles 1 to 3 hit a request, 4 to 6 an answer; 0 is none. */
function picked(way: number, trouble: number): boolean {
  return ALL || [0, 1 + ((way * 5) % 6)].includes(trouble % TROUBLES)
}

lineTests(test, open, picked)
lines.run()
