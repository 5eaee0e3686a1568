import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Ending, shutdown } from '../../server/shutdown.js'
import { bounded } from '../helpers/test.js'

const WITHIN_MS = 30_000

/** What ends, noting the order; `hangs` never does. */
function endingOf(done: string[], hangs = ''): Ending {
  const end = (name: string) => async (): Promise<void> => {
    done.push(name)
    if (name === hangs) await new Promise(() => {})
  }
  const now = (name: string) => (): void => void done.push(name)
  return {
    front: { refuseNew: now('refuse new'), close: end('connections') },
    nodes: { stop: now('say no more to other nodes') },
    events: { close: now('end event streams') },
    background: { stop: now('stop background'), close: end('background') },
    frontDoor: { close: now('end bodies') },
    hooks: null,
    uploads: { end: end('uploads') },
    records: { close: end('records') },
    storage: { end: end('storage') },
    vitals: { close: now('vitals') },
    quietLogs: [{ flush: now('quiet log') }],
    log: {
      flush: (written) => {
        done.push('log')
        written()
      },
    },
  }
}

test('nothing new is taken before what runs has ended, and records are written before the storage and the log end', async () => {
  const done: string[] = []
  await shutdown(endingOf(done))
  assert.equal(done, [
    ...[
      'refuse new',
      'say no more to other nodes',
      'end event streams',
      'stop background',
      'end bodies',
      'connections',
      'background',
      'uploads',
      'records',
    ],
    ...['storage', 'vitals', 'quiet log', 'log'],
  ])
})

test('a disk that hangs, or work in the background that never ends, does not keep the process', async () => {
  const ended = ['storage', 'background'].map(async (hangs) => {
    const done: string[] = []
    await bounded(WITHIN_MS, shutdown(endingOf(done, hangs)), 'the end of the server')
    assert.ok(done.includes('records'), 'the records are written')
    assert.is(done.at(-1), 'log')
  })
  await Promise.all(ended)
})

test.run()
