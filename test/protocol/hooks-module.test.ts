import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually, idOf, locationOf, send, temporaryFolder, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { base64 } from '../helpers/wire.js'

const test = suite('hooks in a module')

const WITHIN_MS = 60_000
test.after(killServers)

/** Writes a module of hooks; what each does follows from the upload's metadata `say`. */
function moduleOf(functions: string): string {
  const path = join(temporaryFolder(), 'rules.mjs')
  writeFileSync(path, `export default { ${functions} }\n`)
  return path
}

const startWith = (functions: string, flags: readonly string[] = []) =>
  startServer(['--hooks', moduleOf(functions), ...flags])

test('a hook that throws refuses, and the log has the cause', async () => {
  const server = await startWith("preCreate() { throw new Error('a fault of mine') }")
  const answer = await tus.create(server, 5)
  assert.is(answer.status, 500)
  assert.match(answer.text, /^hook_failed: /)
  assert.not.match(answer.text, 'a fault of mine')
  await eventually(WITHIN_MS, 'the cause', async () => server.log().includes('a fault of mine') || undefined)
})

test('a hook that takes longer than --hooks-timeout has failed', async () => {
  const server = await startWith('preCreate() { return new Promise(() => {}) }', ['--hooks-timeout', '100ms'])
  assert.is((await tus.create(server, 5)).status, 500)
})

test('what a hook gives back must have the form of a decision', async () => {
  const server = await startWith("preCreate() { return { refuse: 'yes' } }")
  assert.is((await tus.create(server, 5)).status, 500)
  const silent = await startWith('preCreate() {}')
  assert.is((await tus.create(silent, 5)).status, 201)
})

test('hooks get the record in camelCase, the metadata as fields, and the request', async () => {
  const server = await startWith(`preFinish({ event, upload, request }) {
    const { filename, declaredType, length, sha256, fields } = upload
    const seen = { event, filename, declaredType, length, sha256, fields, method: request.method, type: request.headers['content-type'] }
    return { answer: { body: JSON.stringify(seen) } }
  }`)
  const metadata = `filename ${base64('ä.txt')},filetype ${base64('text/plain')}`
  const location = locationOf(await tus.create(server, 5, { 'Upload-Metadata': metadata }))
  const answer = await tus.patch(server, location, 0, 'hello')
  assert.is(answer.status, 200)
  assert.equal(JSON.parse(answer.text), {
    event: 'pre-finish',
    filename: 'ä.txt',
    declaredType: 'text/plain',
    length: 5,
    sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    fields: { filename: 'ä.txt', filetype: 'text/plain' },
    method: 'PATCH',
    type: ['application/offset+octet-stream'],
  })
})

test('"must not be able to stall the event loop unnoticed": a hook that blocks is named in the log', async () => {
  const server = await startWith(`async preCreate() {
    await new Promise((resolve) => setTimeout(resolve, 5))
    for (const until = Date.now() + 200; Date.now() < until; ) {}
  }`)
  assert.is((await tus.create(server, 5)).status, 201)
  await eventually(WITHIN_MS, 'the warning', async () => {
    return /"hooks":\["preCreate"\].*the event loop was blocked/.test(server.log()) || undefined
  })
})

test('a hook that blocks each time has a few lines in the log, not one for each time', async () => {
  const server = await startWith(`preCreate() {
    for (const until = Date.now() + 60; Date.now() < until; ) {}
  }`)
  for (let round = 0; round < 30; round += 1) assert.is((await tus.create(server, 5)).status, 201)
  const warningsOf = (): string[] =>
    server
      .log()
      .split('\n')
      .filter((line) => line.includes('the event loop was blocked'))
  await eventually(WITHIN_MS, 'a warning', async () => warningsOf().length > 0 || undefined)
  const warnings = warningsOf()
  assert.ok(warnings.length > 0 && warnings.length < 15, `${warnings.length} lines`)
})

test('a telling hook that throws is called again, and the next comes after it', async () => {
  const server = await startWith(
    `
    tries: 0,
    postCreate({ upload }) {
      console.error('TOLD', 'post-create', upload.id)
      if ((globalThis.tries = (globalThis.tries ?? 0) + 1) < 2) throw new Error('not now')
    },
    postFinish({ upload }) { console.error('TOLD', 'post-finish', upload.id) },
  `.replace('tries: 0,', ''),
  )
  const location = locationOf(await tus.create(server, 5))
  assert.is((await tus.patch(server, location, 0, 'hello')).status, 204)
  const told = (): string[] => server.log().match(/TOLD post-\w+/g) ?? []
  await eventually(WITHIN_MS, 'post-finish', async () => told().includes('TOLD post-finish') || undefined)
  assert.equal(told(), ['TOLD post-create', 'TOLD post-create', 'TOLD post-finish'])
  assert.match(server.log(), idOf(location))
})

test('a module that cannot be used stops the start with one line that says why', async () => {
  const wrong = {
    'no such file': join(temporaryFolder(), 'none.mjs'),
    'a hook that does not exist': moduleOf('preFinsh() {}'),
    'no function': moduleOf('preFinish: true'),
    'no hooks': moduleOf(''),
    'a fault in it': moduleOf('preFinish: unknown'),
  }
  for (const [name, path] of Object.entries(wrong)) {
    const message = await startServer(['--hooks', path]).then(
      () => 'started',
      (error: unknown) => String(error),
    )
    assert.match(message, /ended with 1: lading: --hooks (cannot be loaded|must have a default export)/, name)
    assert.not.match(message, /\n\s+at /, name)
  }
})

test('pre-accept in a module may read the first bytes', async () => {
  const server = await startWith(`preAccept({ firstBytes, upload }) {
    return Buffer.from(firstBytes).includes('secret') ? { refuse: true, answer: { status: 415 } } : { type: 'text/' + upload.type.length }
  }`)
  const location = locationOf(await tus.create(server, 9))
  assert.is((await tus.patch(server, location, 0, 'my secret')).status, 415)
  const other = locationOf(await tus.create(server, 5))
  assert.is((await tus.patch(server, other, 0, 'hello')).status, 204)
  const file = await send(server.origin, { method: 'GET', path: other })
  assert.match(String(file.headers['content-type']), /^text\/\d+/)
})

test.run()
