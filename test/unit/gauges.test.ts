import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Watched } from '../../server/metrics/gauges.js'
import { Metrics } from '../../server/metrics/metrics.js'

const test = suite('gauges')

const limited = { taken: 0, limit: 1 }
const stats = { queued: 0, queuedBytes: 0, lagMs: 0, dropped: 0, trouble: null }

/** The parts of a server whose system says neither inodes nor open files. */
function watched(status: Watched['nodes']['status']): Watched {
  return {
    ...{ version: '1', minFreeBytes: 0, connections: { open: 0, limit: 1, faults: 0 } },
    ...{ slots: { ...limited, waiting: 0 }, nodes: { status }, downloads: limited, events: limited },
    ...{
      unfinished: { size: 0, limit: 1 },
      arena: { blocks: 1, free: 1, blockBytes: 1 },
      records: { stats },
    },
    engine: { space: { freeBytes: 1, freeInodes: null }, backlogBytes: 0, isFull: async () => false },
    deliveries: null,
    vitals: {
      eventLoop: () => ({ p50Ms: 0, p99Ms: 0 }),
      process: () => ({
        ...{ nodeVersion: '20', userCpuSeconds: 0, systemCpuSeconds: 0, residentBytes: 1, heapUsedBytes: 1 },
        ...{ heapTotalBytes: 1, externalBytes: 1, openFiles: null, openFilesLimit: 1, startedAtSeconds: 1 },
      }),
    },
  }
}

/** What a scrape says, by name. */
async function scraped(parts: Watched): Promise<(name: string) => string | undefined> {
  const metrics = new Metrics({ metricsTusdNames: false })
  metrics.watch(parts)
  const { text } = await metrics.scrape()
  return (name) => new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]
}

test('"0 where the system does not say": a gauge that was always there stays', async () => {
  const readingOf = await scraped(watched(null))
  assert.is(readingOf('lading_disk_free_inodes'), '0')
  assert.is(readingOf('process_open_fds'), '0')
  assert.is(readingOf('lading_cluster_member'), undefined)
})

test('"left out while the database does not answer"', async () => {
  const readingOf = await scraped(watched(async () => ({ isMember: false, nodes: null, slots: null })))
  assert.is(readingOf('lading_cluster_member'), '0')
  assert.is(readingOf('lading_cluster_nodes'), undefined)
  assert.is(readingOf('lading_cluster_slots_taken'), undefined)
  assert.is(readingOf('process_open_fds'), '0')
})

test.run()
