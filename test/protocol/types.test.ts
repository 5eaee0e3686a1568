import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CASES, type Row } from '../fixtures/type-cases.js'
import { type Bytes, bytes, JPEG, SVG } from '../fixtures/type-files.js'
import {
  idOf,
  locationOf,
  send,
  startServer,
  type TestAnswer,
  type TestServer,
  tus,
} from '../helpers/server.js'
import { base64 } from '../helpers/wire.js'

const test = suite('types over HTTP')
const ROWS: readonly Row[] = Object.values(CASES).flat()
// The server has ten slots.
const TOGETHER = 8
const LISTED = 'image/*,application/pdf,text/csv,application/vnd.sqlite3'

let open: TestServer
let listed: TestServer
test.before(async () => {
  open = await startServer()
  listed = await startServer(['--accept', LISTED])
})
test.after(async () => {
  await Promise.all([open.stop(), listed.stop()])
})

interface Outcome {
  readonly answer: TestAnswer
  /** The record of the upload, after the end. */
  readonly record: Readonly<Record<'state' | 'type' | 'reason' | 'declaredType', unknown>>
}

/** Creates an upload with the name and the declared type as metadata, and sends its bytes with one PATCH. */
async function upload(
  server: TestServer,
  name: string,
  declared: string | null,
  file: Bytes,
): Promise<Outcome> {
  const content = typeof file === 'string' ? Buffer.from(file) : bytes(file)
  const type = declared === null ? '' : `,filetype ${base64(declared)}`
  const created = await tus.create(server, content.length, {
    'Upload-Metadata': `filename ${base64(name)}${type}`,
  })
  const location = locationOf(created)
  const answer = content.length === 0 ? created : await tus.patch(server, location, 0, content)
  const path = `/api/uploads/${idOf(location)}`
  return { answer, record: JSON.parse((await send(server.origin, { method: 'GET', path })).text) }
}

/** The row again, for a reader who wants to see it with curl. */
function curl([name, declared, file]: Row): string {
  const content = typeof file === 'string' ? Buffer.from(file) : bytes(file)
  const type = declared === null ? '' : `,filetype ${base64(declared)}`
  const data = `printf %s '${content.toString('base64')}' | base64 -d`
  return (
    `${data} | curl -i -X POST "$FILES" -H 'Tus-Resumable: 1.0.0' -H 'Upload-Length: ${content.length}' ` +
    `-H 'Upload-Metadata: filename ${base64(name)}${type}' ` +
    `-H 'Content-Type: application/offset+octet-stream' --data-binary @-`
  )
}

async function wrong(row: Row): Promise<string | null> {
  const [name, declared, file, type, verdict] = row
  const { answer, record } = await upload(open, name, declared, file)
  const expected = verdict === 'in' ? `finished ${type}` : `refused ${type}`
  const seen = `${record.state} ${record.type}`
  const isTold =
    verdict === 'in' || answer.text.startsWith(`type_refused: seen as ${type}, which is not accepted here`)
  return seen === expected && isTold ? null : `${answer.status} ${seen}, not ${expected}: ${curl(row)}`
}

test('every file of the table is stored under its type, or refused with a 415 that names it', async () => {
  const found: string[] = []
  for (let at = 0; at < ROWS.length; at += TOGETHER) {
    const problems = await Promise.all(ROWS.slice(at, at + TOGETHER).map(wrong))
    found.push(...problems.filter((problem) => problem !== null))
  }
  assert.ok(found.length === 0, found.join('\n'))
})

test('with --accept, a 415 says what was seen, and the record has the same sentence', async () => {
  const webp = bytes('RIFF', [9, 0, 0, 0], 'WEBPVP8 ', Buffer.alloc(600))
  const text = 'The bytes of a letter.\n'.repeat(40)
  assert.is((await upload(listed, 'photo.jpg', 'image/jpeg', webp)).record.type, 'image/webp')
  assert.is((await upload(listed, 'a.csv', 'application/vnd.ms-excel', text)).record.type, 'text/csv')
  for (const [name, declared, file, sentence] of [
    ['letter.pdf', 'application/pdf', text, 'seen as text/plain, which is not accepted here'],
    [
      'a.jpg',
      'image/jpeg',
      '<h1>hello</h1>',
      'seen as text/html, which is not accepted here: an HTML document',
    ],
  ] as const) {
    const { answer, record } = await upload(listed, name, declared, file)
    assert.is(answer.status, 415)
    assert.is(answer.text, `type_refused: ${sentence}\n`)
    assert.is(record.reason, sentence)
    assert.is(record.state, 'refused')
    assert.is(record.declaredType, declared)
  }
})

test('a 415 repeats nothing that a client wrote', async () => {
  const active = SVG.replace('<path', '<script>canary()</script><path')
  for (const [name, declared, file] of [
    ['canary.png', 'image/x-canary', active],
    ['canary.html', 'text/x-canary', 'canary'.repeat(200)],
    ['a.canary', 'canary/canary; canary=canary', '#!/canary\n'],
  ] as const) {
    const { answer, record } = await upload(open, name, declared, file)
    assert.is(answer.status, 415)
    assert.not.match(answer.text, /canary/)
    assert.not.match(`${record.reason}`, /canary/)
    assert.is(record.declaredType, declared)
  }
  assert.is((await upload(open, 'a.canary', 'image/x-canary', JPEG)).record.type, 'image/jpeg')
})

test.run()
