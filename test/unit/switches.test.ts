import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withSwitchValues } from '../../server/switches.js'

const test = suite('switches')

const SWITCHES = new Set(['lane', 'metrics', 'page'])
const WORDS = ['on', 'off', '1']

function read(line: string): string {
  return withSwitchValues(line.split(' '), SWITCHES, WORDS).join(' ')
}

test('a switch stands alone, with a value behind it or after =, or negated, however many switches there are', () => {
  assert.is(read('--lane --no-metrics --page'), '--lane=on --metrics=off --page=on')
  assert.is(read('--lane off --metrics=off --page 1'), '--lane=off --metrics=off --page=1')
  assert.is(read('--no-lane off'), '--lane=off off')
})

test('a word that is no value of a switch stays an argument of its own', () => {
  assert.is(read('--page reindex --lane --port 0'), '--page=on reindex --lane=on --port 0')
})

test('other flags, their values and what follows -- stay as they are', () => {
  assert.is(
    read('--port 0 --no-port --pages -x --lanes off -- --page'),
    '--port 0 --no-port --pages -x --lanes off -- --page',
  )
  assert.equal(withSwitchValues([], SWITCHES, WORDS), [])
})

test.run()
