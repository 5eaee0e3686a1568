import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { QuietLog } from '../../server/quiet-log.js'

interface Line {
  readonly level: string
  readonly fields: Record<string, unknown>
  readonly message: string
}

const test = suite('quiet log')

function written(): { lines: Line[]; log: ConstructorParameters<typeof QuietLog>[0] } {
  const lines: Line[] = []
  const take = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message })
  }
  return { lines, log: { info: take('info'), warn: take('warn'), error: take('error') } }
}

/** How many lines were given in, as the lines that were written tell it. */
function told(lines: readonly Line[]): number {
  return lines.reduce((sum, { fields }) => sum + (typeof fields.count === 'number' ? fields.count : 1), 0)
}

test('the first of equal lines is written at once, the others are counted', () => {
  const { lines, log } = written()
  const quiet = new QuietLog(log, { inFull: 1 })
  for (let number = 0; number < 500; number++)
    quiet.info({ code: 'slots_full', id: `${number}` }, 'request refused')
  assert.equal(lines, [
    { level: 'info', fields: { code: 'slots_full', id: '0' }, message: 'request refused' },
  ])
  quiet.flush()
  assert.is(lines.length, 2)
  assert.equal(lines[1]?.fields, { code: 'slots_full', count: 499 })
  quiet.flush()
  assert.is(lines.length, 2)
})

test('each code word, level, message and cause is counted for itself', () => {
  const { lines, log } = written()
  const quiet = new QuietLog(log, { inFull: 1 })
  const failure = (code: string) => Object.assign(new Error(`${code}: at /x/${lines.length}`), { code })
  for (const _ of [1, 2, 3]) {
    quiet.info({ code: 'slots_full' }, 'request refused')
    quiet.info({ code: 'offset_conflict' }, 'request refused')
    quiet.error({ code: 'internal', err: new Error('outer', { cause: failure('EIO') }) }, 'request failed')
    quiet.error({ code: 'internal', err: new Error('outer', { cause: failure('ENOENT') }) }, 'request failed')
    quiet.warn({ err: new Error('no code') }, 'a download was cut')
  }
  assert.is(lines.length, 5, 'a fault with another cause is never hidden behind the first')
  quiet.flush()
  assert.is(told(lines), 15)
})

test('a burst that goes on has a line for each window, and one that is over begins in full again', async () => {
  const { lines, log } = written()
  const quiet = new QuietLog(log, { inFull: 2, windowMs: 20 })
  const until = async (count: number): Promise<void> => {
    const deadline = performance.now() + 30_000
    while (lines.length < count) {
      assert.ok(performance.now() < deadline, `${count} lines`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  for (const _ of [1, 2, 3, 4, 5]) quiet.info({}, 'again')
  await until(3)
  assert.is(lines[2]?.fields.count, 3)
  quiet.info({}, 'again')
  await until(4)
  assert.is(told(lines), 6)
  quiet.flush()
  quiet.info({ number: 7 }, 'again')
  assert.is(lines.at(-1)?.fields.number, 7)
  quiet.flush()
})

test('kinds of lines are bounded: beyond 64 only their messages are told apart', () => {
  const { lines, log } = written()
  const quiet = new QuietLog(log, { inFull: 1 })
  for (let number = 0; number < 10_000; number++)
    quiet.error({ err: new Error(`cause ${number}`) }, 'request failed')
  assert.ok(lines.length <= 66, `${lines.length} lines`)
  quiet.flush()
  assert.is(told(lines), 10_000)
})

test.run()
