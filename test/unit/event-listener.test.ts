import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listenerOf } from '../../hooks/event-listener.js'
import type { EventKind } from '../../server/model/event.js'
import type { UploadRecord } from '../../server/model/record.js'
import { record } from '../helpers/record.js'

/** The calls that deliveries get for an event. */
function told(kind: EventKind, changes: Partial<UploadRecord> = {}, isIntended = true): string[] {
  const calls: string[] = []
  const listener = listenerOf({
    listensTo: () => true,
    notify: ({ event }) => void calls.push(`notify ${event}`),
    confirm: ({ event }) => calls.push(`confirm ${event}`) > 0 && isIntended,
    forget: () => void calls.push('forget'),
  })
  listener({ kind, record: record(1, changes), parts: null, request: null })
  return calls
}

test('a finish is confirmed; one that the process before announced is not told again', () => {
  for (const isIntended of [true, false])
    assert.equal(told('finished', {}, isIntended), ['confirm post-finish'])
})

test('"partial uploads fire the finish hooks too": once they have all their bytes, also where they have none', () => {
  const part = { concat: 'partial', offset: 5, length: 5 } as const
  assert.equal(told('progress', part), ['confirm post-finish'])
  assert.equal(told('progress', part, false), ['confirm post-finish', 'notify post-finish'])
  assert.equal(told('progress', { ...part, offset: 4 }), [])
  assert.equal(told('progress', { offset: 5, length: 5 }), [])
})

test('an upload that is removed is finished no more', () => {
  for (const kind of ['refused', 'expired'] as const) assert.equal(told(kind), ['forget'])
  assert.equal(told('terminated'), ['forget', 'notify post-terminate'])
  assert.equal([told('created'), told('restated')], [['notify post-create'], []])
})

test.run()
