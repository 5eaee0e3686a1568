import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ERRORS, type ErrorCode, UploadError } from '../../server/errors.js'
import { markedTables } from '../helpers/pages.js'

const test = suite('errors')

function errorsTable(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, text }]) => `| \`${code}\` | ${status} | ${text} |`,
  )
  return ['| code word | status | sentence |', '|---|---|---|', ...rows].join('\n')
}

const codes = Object.keys(ERRORS).filter((code): code is ErrorCode => code in ERRORS)

test('server/README.md lists every error with its status and sentence, and no other', () => {
  assert.equal(markedTables('errors'), [errorsTable()])
})

test('every error is a client or server error that HTTP knows, in one plain sentence', () => {
  for (const code of codes) {
    const { status, text } = ERRORS[code]
    assert.match(code, /^[a-z]+(_[a-z]+)*$/)
    assert.ok(Number.isInteger(status) && status >= 400 && status < 600, code)
    assert.match(text, /^[A-Z][^|\n]+[^.\s]$/)
  }
})

test('what a client reads has the code word and the sentence, and neither detail nor cause', () => {
  for (const code of codes) {
    const error = new UploadError(code, { cause: new Error('in a secret folder'), detail: 'a secret' })
    assert.is(error.text, `${code}: ${ERRORS[code].text}\n`)
    assert.is(error.status, ERRORS[code].status)
    assert.match(error.message, 'a secret')
    assert.match(String(error.cause), 'in a secret folder')
  }
})

test.run()
