import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Progress } from '../../server/http/events/progress.js'
import type { UploadState } from '../../server/model/upload-state.js'
import { record } from '../helpers/record.js'

const test = suite('the progress of uploads as events')

const state = (number: number, offset: number, bytesPerSecond = 0): UploadState => ({
  ...record(number, { offset }),
  bytesPerSecond,
})

/** Progress over uploads that a test sets, and what is to be sent of them as `number:offset`. */
function place() {
  let receiving: UploadState[] = []
  const progress = new Progress({
    receiving: () => receiving,
    peek: (id) => receiving.find((each) => each.id === id),
  })
  const receive = (...states: UploadState[]): void => {
    receiving = states
  }
  const taken = (): string[] => progress.take().map(({ id, offset }) => `${Number(id.slice(9))}:${offset}`)
  return { progress, receive, taken }
}

test('is sent where it is another one, and once, also where the request of an upload has just ended', () => {
  const { progress, receive, taken } = place()
  receive(state(1, 10), state(2, 20))
  assert.equal(taken(), ['1:10', '2:20'])
  assert.equal(taken(), [])
  receive(state(1, 11), state(2, 20))
  progress.note(record(1, { offset: 10 }))
  assert.equal(taken(), ['1:11'])
  receive(state(1, 11, 500), state(2, 20))
  assert.equal(taken(), ['1:11'], 'its speed is another one')
})

test('the last state of an upload whose request has ended is sent once', () => {
  const { progress, receive, taken } = place()
  receive(state(1, 10))
  taken()
  receive()
  progress.note(record(1, { offset: 40 }))
  progress.note(record(1, { offset: 50 }))
  assert.equal(taken(), ['1:50'])
  assert.equal(taken(), [])
})

test('another event says more: what waits of its upload is not sent behind it', () => {
  const { progress, taken } = place()
  progress.note(record(1, { offset: 50 }))
  progress.forget(record(1).id)
  assert.equal(taken(), [])
})

test('so many uploads wait at most', () => {
  const { progress, taken } = place()
  const room = Array.from({ length: 2_000 }, (_, number) => progress.note(record(number)))
  assert.equal([room.indexOf(false), room.at(-1)], [1_999, false])
  assert.is(taken().length, 2_000)
  assert.ok(progress.note(record(1)))
})

test.run()
