import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Outbox } from '../../hooks/delivery/postgres/outbox.js'
import { SqlError } from '../../server/model/sql.js'

const eventOf = (id: string) => ({
  ...{ endpoint: 'http', id, uploadId: `upload ${id}`, event: 'post-create' as const },
  ...{ createdAt: '2026-11-26T00:00:00.000Z', call: '{}' },
})

test('an event that PostgreSQL refuses for good is left out, and those before and behind it are written', async () => {
  const stored: string[] = []
  const refused: unknown[] = []
  const outbox = new Outbox({
    events: {
      add: async (events) => {
        const ids = events.map(({ id }) => id)
        if (ids.includes('bad')) throw new SqlError('failing', 'too long', { code: '54000' })
        stored.push(ids.join())
      },
    },
    written: () => {},
    failing: () => {},
    log: { info: () => {}, warn: () => {}, error: (facts) => void refused.push(facts) },
    faultPauseMs: 1,
  })
  await Promise.all(['a', 'bad', 'b', 'c'].map((id) => outbox.add(eventOf(id))))
  await outbox.add(eventOf('d'))
  await outbox.settled('upload bad')
  assert.equal(stored, ['a', 'b', 'c', 'd'])
  assert.match(JSON.stringify(refused.at(-1)), '"id":"bad","uploadId":"upload bad"')
})

test.run()
