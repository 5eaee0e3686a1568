import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp } from '../helpers/app-place.js'
import { bodyParts } from '../helpers/multipart.js'
import { askOf } from '../helpers/routes.js'
import { temporaryFolder } from '../helpers/server.js'
import { needsProgram } from '../helpers/test.js'
import { uploaded } from '../helpers/uploaded.js'
import { base64 } from '../helpers/wire.js'

const test = suite('curl')
const run = promisify(execFile)

const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 13 + (at >> 9)) & 0xff))
const ROOT = temporaryFolder()

let app: TestApp

test.before(async () => {
  app = await startApp()
})
test.after(() => app.close())

/** The URL of BYTES under this name. */
async function urlOf(filename: string): Promise<string> {
  const metadata = `filename ${base64(filename)}`
  return (
    app.origin +
    (await uploaded(
      askOf(() => app.origin),
      { bytes: BYTES, metadata },
    ))
  )
}

/** Runs curl in a new folder, and resolves with that folder and what curl printed. */
async function curl(...args: readonly string[]): Promise<{ folder: string; out: string }> {
  const folder = mkdtempSync(join(ROOT, 'curl-'))
  const { stdout } = await run('curl', ['-sS', '--fail', '--max-time', '60', ...args], { cwd: folder })
  return { folder, out: stdout }
}

for (const [given, name] of [
  ['report 1.txt', 'report 1.txt'],
  ["it's (1)*.txt", "it's (1)_.txt"],
  ['a"; filename="b\\c.txt', 'c.txt'],
  ['../../.bashrc', '.bashrc'],
  ['Übersicht.pdf', 'Ubersicht.pdf'],
  ['say "hi".txt', 'say _hi_.txt'],
  ['x'.repeat(400), 'x'.repeat(255)],
  ['..', 'download'],
] as const)
  needsProgram(test, 'curl')(
    `"curl -OJ and older clients read only that" ASCII name: ${given.slice(0, 40)}`,
    async () => {
      const { folder } = await curl('-OJ', await urlOf(given))
      assert.equal(readdirSync(folder), [name])
      assert.ok(readFileSync(join(folder, name)).equals(BYTES))
    },
  )

needsProgram(test, 'curl')('"curl -C - must be able to go on"', async () => {
  const url = await urlOf('a.bin')
  const folder = mkdtempSync(join(ROOT, 'part-'))
  const path = join(folder, 'a.bin')
  for (const bytes of [1, 123_457, BYTES.length - 1]) {
    writeFileSync(path, BYTES.subarray(0, bytes))
    await run('curl', ['-sS', '--fail', '-C', '-', '-o', path, url])
    assert.ok(readFileSync(path).equals(BYTES), `from ${bytes}`)
  }
  await run('curl', ['-sS', '-C', '-', '-o', path, url])
  assert.ok(readFileSync(path).equals(BYTES), 'a whole file stays as it is')
})

needsProgram(test, 'curl')('curl -z and --etag-compare fetch nothing that is there already', async () => {
  const url = await urlOf('a.bin')
  const { folder } = await curl('-R', '-o', 'a.bin', '--etag-save', 'tag', url)
  const status = ['-o', 'again', '-w', '%{http_code} %{size_download}']
  assert.is((await curl('-z', join(folder, 'a.bin'), ...status, url)).out, '304 0')
  assert.is((await curl('--etag-compare', join(folder, 'tag'), ...status, url)).out, '304 0')
  const etag = readFileSync(join(folder, 'tag'), 'utf8').trim()
  assert.is(etag, `"${createHash('sha256').update(BYTES).digest('hex')}"`)
})

needsProgram(test, 'curl')('curl -r gets one range, and several as parts', async () => {
  const url = await urlOf('a.bin')
  const { folder } = await curl('-r', '10-19', '-o', 'one', url)
  assert.ok(readFileSync(join(folder, 'one')).equals(BYTES.subarray(10, 20)))
  const several = await curl('-r', '0-9,100-199,-5', '-o', 'parts', '-w', '%{content_type}', url)
  const parts = bodyParts(several.out, readFileSync(join(several.folder, 'parts')))
  assert.equal(
    parts.map(({ bytes }) => bytes.toString('hex')),
    [[0, 10], [100, 200], [-5]].map(([from, to]) => BYTES.subarray(from, to).toString('hex')),
  )
})

test.run()
