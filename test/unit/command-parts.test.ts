import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Pace } from '../../server/commands/check/pace.js'
import { splitFlags } from '../../server/commands/flags.js'
import { printable, shownBytes, shownSeconds } from '../../server/commands/printable.js'
import { Progress } from '../../server/commands/progress.js'
import { UsageError } from '../../server/commands/usage-error.js'
import { fakeConsole } from '../helpers/fake-console.js'

const test = suite('parts of commands')

test("a command's own flags are parted from those of the server", () => {
  const flags = { rate: { hasValue: true }, json: { hasValue: false } }
  const { own, rest } = splitFlags(['--rate', '5MiB', '--data-dir', 'x', '--json', '--port=80'], flags)
  assert.equal(
    [...own],
    [
      ['rate', '5MiB'],
      ['json', ''],
    ],
  )
  assert.equal(rest, ['--data-dir', 'x', '--port=80'])
  const inline = splitFlags(['--rate=1MiB', '--port', '80'], flags)
  assert.equal(
    inline.rest,
    ['--port', '80'],
    'the argument behind a value in the same argument is another one',
  )
  for (const args of [['--rate'], ['--json=yes']]) assert.throws(() => splitFlags(args, flags), isUsageError)
})

function isUsageError(error: unknown): boolean {
  return error instanceof UsageError
}

test('a name stays on its line: control characters and marks of direction are escapes', () => {
  assert.is(printable('a\u202eb\u2066c\u200fd\u061ce'), 'a\\u{202e}b\\u{2066}c\\u{200f}d\\u{61c}e')
  assert.is(printable('\x1b[2J\r\n\t\u2028\\'), '\\u{1b}[2J\\r\\n\\t\\u{2028}\\\\')
  assert.is(printable('Übung 🎉 שלום'), 'Übung 🎉 שלום')
})

test('bytes and durations are short texts for people', () => {
  assert.equal([0, 1023, 1536, 2 ** 40].map(shownBytes), ['0 B', '1023 B', '1.5 KiB', '1.0 TiB'])
  assert.equal([0.4, 59.6, 3_599, 7_500].map(shownSeconds), ['0s', '1m 0s', '59m 59s', '2h 5m'])
})

test('"reads at most as fast as told": time in which nothing was read is not made up for', async () => {
  let nowMs = 0
  const clock = mock.method(performance, 'now', () => nowMs)
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const pace = new Pace(1_000, new AbortController().signal)
    nowMs = 60_000
    const read = pace.take(500).then(() => 'read')
    const later = (): Promise<string> => new Promise((resolve) => setImmediate(() => resolve('waits')))
    assert.is(await Promise.race([read, later()]), 'waits', 'it takes half a second all the same')
    mock.timers.tick(500)
    assert.is(await read, 'read')
  } finally {
    mock.timers.reset()
    clock.mock.restore()
  }
})

for (const isTTY of [false, true])
  test(`a total that is not known is said to be so${isTTY ? ', and the bar stays empty' : ''}`, async () => {
    mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    try {
      const { console, stderr } = fakeConsole()
      Object.assign(console.stderr, { isTTY })
      let totalBytes: number | null = null
      const progress = new Progress(console, () => ({ doneBytes: 512, totalBytes, count: '0 of 1 files' }))
      const seen = async (): Promise<string> => {
        for (let ms = 0; ms < 10_000; ms += 250) mock.timers.tick(250)
        await new Promise((resolve) => setImmediate(resolve))
        return stderr()
      }
      const unknown = await seen()
      assert.match(unknown, /512 B of unknown\b.* unknown time left/)
      assert.not.match(unknown, /█|\d%/)
      totalBytes = 1_024
      assert.match(await seen(), isTTY ? /█░+ 50% \| 512 B of 1\.0 KiB/ : '512 B of 1.0 KiB')
      progress.end()
    } finally {
      mock.timers.reset()
    }
  })

test.run()
