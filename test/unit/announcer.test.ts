import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { EventListener } from '../../server/model/event.js'
import { Announcer } from '../../server/uploads/announcer.js'
import { uploadOf } from '../helpers/stored-upload.js'
import { idOf } from '../helpers/upload-fakes.js'

const NOW = '2026-11-25T12:00:00.000Z'
const TOUCHED = '2026-11-25T11:00:00.000Z'
const FINISHED = '2026-11-25T11:30:00.000Z'

/** An announcer at noon with these listeners and one that notes every event. */
function place(...listeners: EventListener[]) {
  const heard: string[] = []
  const logged: object[] = []
  const note: EventListener = ({ kind, record }) =>
    void heard.push(`${kind}: ${record.state} at ${record.updatedAt}`)
  const log = { error: (fields: object) => void logged.push(fields) }
  const announcer = new Announcer([...listeners, note], { now: () => Date.parse(NOW), log })
  return { announcer, heard, logged }
}

test('every listener hears of an event, with the record as it is from then on', () => {
  const first: string[] = []
  const { announcer, heard } = place(({ record }) => void first.push(record.id))
  announcer.announce(uploadOf(idOf('1'), { touchedAtMs: Date.parse(TOUCHED) }), 'progress')
  assert.equal([heard, first], [[`progress: paused at ${NOW}`], [idOf('1')]])
})

test('the record of a finished upload says when it was finished, however late that is told', () => {
  const { announcer, heard } = place()
  const upload = uploadOf(idOf('1'), { touchedAtMs: Date.parse(TOUCHED), sha256: 'ab', finishedAt: FINISHED })
  announcer.announce(upload, 'finished')
  announcer.announce(upload, 'restated')
  assert.equal(heard, [`finished: finished at ${FINISHED}`, `restated: finished at ${FINISHED}`])
})

test("a record that is made right has the time of its upload's last change; one of a removal, that of the removal", () => {
  const { announcer, heard } = place()
  const upload = uploadOf(idOf('1'), { touchedAtMs: Date.parse(TOUCHED) })
  const end = { state: 'expired', reason: 'no bytes came' } as const
  announcer.announce(upload, 'restated')
  announcer.announce(upload, 'restated', end)
  announcer.announce(upload, 'expired', end)
  assert.equal(heard, [
    `restated: paused at ${TOUCHED}`,
    `restated: expired at ${NOW}`,
    `expired: expired at ${NOW}`,
  ])
})

test('a listener that fails is logged, and keeps no other from the event', () => {
  const failure = new Error('a hook')
  const { announcer, heard, logged } = place(() => {
    throw failure
  })
  announcer.announce(uploadOf(idOf('1')), 'created')
  assert.is(heard.length, 1)
  assert.equal(logged, [{ err: failure, id: idOf('1'), kind: 'created' }])
})

test.run()
