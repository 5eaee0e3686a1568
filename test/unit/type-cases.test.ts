import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CASES, type Row } from '../fixtures/type-cases.js'
import { bytes, sniff } from './sniff-files.js'

const test = suite('types')

/** Says what became of a file, as an expectation says it too, so that all wrong rows of a kind are seen at once. */
async function becomes([name, declared, file]: Row, accept: readonly string[]): Promise<string> {
  const verdict = await sniff(file, { declared, filename: name, accept })
  return `${verdict.accepted ? 'accepted' : 'refused'} as ${verdict.type}`
}

function title([name, declared, file]: Row): string {
  const start = (typeof file === 'string' ? Buffer.from(file) : bytes(file)).subarray(0, 40)
  return `${name} (${declared ?? 'nothing declared'}) ${JSON.stringify(start.toString('latin1'))}`
}

async function wrong(row: Row): Promise<string[]> {
  const [, , , type, verdict, pattern] = row
  const alone = await becomes(row, [])
  const listed = await becomes(row, [pattern])
  const expected = `${verdict === 'in' ? 'accepted' : 'refused'} as ${type}`
  const isListed = listed.startsWith(verdict === 'never' ? 'refused' : 'accepted')
  return [
    ...(alone === expected ? [] : [`${title(row)} is ${alone}, and must be ${expected}`]),
    ...(isListed ? [] : [`${title(row)} is ${listed} under ${pattern}`]),
  ]
}

for (const [kind, rows] of Object.entries(CASES)) {
  test(`${kind}: each of ${rows.length} files becomes what it must`, async () => {
    const all = await Promise.all(rows.map(wrong))
    const found = all.flat()
    assert.ok(found.length === 0, found.join('\n'))
  })
}

test('the table has a row for each kind of file that people upload, 250 at least', () => {
  const count = Object.values(CASES).flat().length
  console.log(`      ${count} files`)
  assert.ok(count >= 250, String(count))
})

test.run()
