import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { UploadRecord } from '../../server/model/record.js'
import { restView } from '../../server/model/upload-state.js'
import { Elsewhere, uploadsOfAllNodes } from '../../server/uploads/elsewhere.js'
import { record } from '../helpers/record.js'

const test = suite('uploads of other nodes')
const FORGOTTEN_AFTER_MS = 5_000

/** What nodes say of uploads, on a clock that a test sets. */
function place() {
  let nowMs = 0
  const elsewhere = new Elsewhere(() => nowMs)
  return {
    elsewhere,
    pass: (ms: number): void => {
      nowMs += ms
    },
    say: (token: number | null, number: number, changes: Partial<UploadRecord>): boolean =>
      elsewhere.hear({ token, state: restView(record(number, changes)) }),
    shown: (number: number): unknown => {
      const state = elsewhere.get(record(number).id)
      return state && [state.state, state.offset]
    },
  }
}

test('what a node says last of an upload is shown, and is forgotten once the index has it', () => {
  const { say, shown, pass } = place()
  assert.ok(say(1, 1, { state: 'receiving', offset: 5 }))
  assert.ok(say(1, 1, { state: 'receiving', offset: 9 }))
  assert.equal(shown(1), ['receiving', 9])
  // A body whose checksum is wrong does not count.
  assert.ok(say(1, 1, { state: 'paused', offset: 0 }))
  assert.equal(shown(1), ['paused', 0])
  pass(FORGOTTEN_AFTER_MS)
  assert.is(shown(1), undefined)
})

test('what comes late from the node that had an upload before does not count', () => {
  const { say, shown } = place()
  say(2, 1, { state: 'finished', offset: 9 })
  assert.not(say(1, 1, { state: 'paused', offset: 5 }))
  assert.equal(shown(1), ['finished', 9])
  assert.ok(say(3, 1, { state: 'terminated', offset: 9 }))
  // Without the lock, as a node does that has just given it back.
  assert.ok(say(null, 1, { state: 'expired', offset: 9 }))
  assert.not(say(2, 1, { state: 'finished', offset: 9 }))
  assert.equal(shown(1), ['expired', 9])
})

test('what happens here is newer than what was said before', () => {
  const { elsewhere, say, shown } = place()
  say(1, 1, { state: 'receiving', offset: 5 })
  elsewhere.note(record(1, { state: 'finished', offset: 10 }), 2)
  assert.is(shown(1), undefined)
  assert.not(say(1, 1, { state: 'paused', offset: 5 }))
  assert.is(shown(1), undefined)
})

test('a node that falls silent in the middle of an upload is noticed, once', () => {
  const { elsewhere, say, pass, shown } = place()
  say(1, 1, { state: 'receiving' })
  say(1, 2, { state: 'paused' })
  pass(FORGOTTEN_AFTER_MS - 1)
  assert.not(elsewhere.sweep())
  say(1, 3, { state: 'receiving' })
  pass(1)
  assert.is(shown(1), undefined)
  assert.ok(elsewhere.sweep())
  assert.not(elsewhere.sweep())
})

test('"bounded memory": what was said first is forgotten first, and nobody counts as silent for that', () => {
  const { elsewhere, say } = place()
  const metadata = 'x'.repeat(8_192)
  const count = 1_000
  for (let number = 0; number < count; number++) say(1, number, { state: 'receiving', metadata })
  const kept = elsewhere.states()
  assert.ok(kept.length > 100 && kept.length * 2 * metadata.length < 4 * 1024 * 1024, `${kept.length} kept`)
  assert.equal(kept.at(-1)?.id, record(count - 1).id)
  assert.not(elsewhere.sweep())
})

test('an upload that this node receives is shown as it is here, others as their nodes say', () => {
  const { elsewhere, say } = place()
  const here = { ...restView(record(1, { state: 'receiving', offset: 7 })), bytesPerSecond: 3 }
  // It was here, and has gone on elsewhere.
  const left = restView(record(2, { state: 'paused', offset: 1 }))
  const own = [here, left]
  const live = uploadsOfAllNodes(
    {
      peek: (id) => own.find((state) => state.id === id),
      receiving: () => [here],
      newer: () => new Map(),
    },
    elsewhere,
  )
  assert.is(live.peek(left.id), undefined, 'the index has it')
  say(1, 1, { state: 'receiving', offset: 5 })
  say(1, 2, { state: 'receiving', offset: 4 })
  say(1, 3, { state: 'finished', offset: 6 })
  assert.equal(
    [1, 2, 3].map((number) => live.peek(record(number).id)?.offset),
    [7, 4, 6],
  )
  assert.equal(
    live
      .receiving()
      .map(({ offset }) => offset)
      .sort(),
    [4, 7],
  )
  assert.equal([...live.newer().values()].map(({ offset }) => offset).sort(), [4, 6, 7])
})

test.run()
