import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { bounded } from '../helpers/test.js'

const test = suite('runner', { folder: '' })

test.before.each(async (context) => {
  context.folder = await mkdtemp(join(tmpdir(), 'lading-run-'))
  await mkdir(join(context.folder, 'unit'))
  await writeFile(join(context.folder, 'package.json'), '{ "type": "module" }')
  await copyFile(fileURLToPath(new URL('../run.js', import.meta.url)), join(context.folder, 'run.js'))
})
test.after.each(async ({ folder }) => await rm(folder, { recursive: true }))

const UVU = `import { test } from '${import.meta.resolve('uvu')}'\n`
const PASSES = `${UVU}test('one', () => {})\ntest('two', () => {})\ntest.run()`
const HANGS = `// time-limit: 4s\n\n${UVU}test('never', () => new Promise(() => setInterval(() => {}, 50)))\ntest.run()`
/** Notes two idle processes in `pids`: one without the file's environment, one that has left its group. */
const STARTS_CHILDREN = `
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
const start = (options) => {
  const child = spawn('sleep', ['60'], { ...options, stdio: 'ignore' })
  child.unref()
  return child.pid
}
writeFileSync(new URL('../pids', import.meta.url), start({ env: { PATH: process.env.PATH } }) + ' ' + start({ detached: true }))
`

function startRunner(folder: string, args: readonly string[], env: Record<string, string>) {
  const runner = spawn(process.execPath, [join(folder, 'run.js'), ...args], {
    env: { ...process.env, ...env },
  })
  let output = ''
  runner.stdout.on('data', (chunk) => {
    output += chunk
  })
  const ended = once(runner, 'close').then(([code]) => ({
    code,
    output,
    last: output.trimEnd().split('\n').at(-1),
  }))
  return { runner, ended: bounded(60_000, ended, 'the end of the runner') }
}

interface Trial {
  readonly args?: readonly string[]
  readonly env?: Record<string, string>
}

async function run(folder: string, files: Record<string, string>, { args = [], env = {} }: Trial = {}) {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, 'unit', name), text)
  return await startRunner(folder, args, env).ended
}

async function living(folder: string): Promise<number[]> {
  const pids = (await readFile(join(folder, 'pids'), 'utf8')).split(' ').map(Number)
  const states = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') X')),
  )
  return pids.filter((_, index) => !/\) [ZX]/.test(states[index] ?? ''))
}

test('sums what the files passed and ends with exit code 0', async ({ folder }) => {
  const { code, last } = await run(folder, {
    'a.test.js': PASSES,
    'b.test.js': PASSES,
    'notes.js': 'nonsense',
  })
  assert.is(last, '4 passed, 0 failed, 0 skipped')
  assert.is(code, 0)
})

test('runs only the files whose path has one of the filters in it', async ({ folder }) => {
  const files = { 'a.test.js': PASSES, 'b.test.js': `${UVU}test('one', () => {})\ntest.run()` }
  assert.is((await run(folder, files, { args: ['unit/b'] })).last, '1 passed, 0 failed, 0 skipped')
})

test('ends with exit code 1 when nothing ran', async ({ folder }) => {
  const { code, last } = await run(folder, { 'a.test.js': PASSES }, { args: ['elsewhere'] })
  assert.is(last, '0 passed, 0 failed, 0 skipped')
  assert.is(code, 1)
})

test('prints what a failing file said, counts its failures and ends with exit code 1', async ({ folder }) => {
  const fails = `${UVU}test('good', () => {})\ntest('bad', () => { throw new Error('the reason') })\ntest.run()`
  const { code, last, output } = await run(folder, { 'a.test.js': fails, 'b.test.js': PASSES })
  assert.is(last, '3 passed, 1 failed, 0 skipped')
  assert.match(output, /FAIL unit\/a\.test\.js[\s\S]*the reason/)
  assert.is(code, 1)
})

test('counts a file that never calls run as failed', async ({ folder }) => {
  const { code, last, output } = await run(folder, { 'a.test.js': `${UVU}test('one', () => {})` })
  assert.is(last, '0 passed, 1 failed, 0 skipped')
  assert.match(output, 'without a summary')
  assert.is(code, 1)
})

test('counts a file without tests as failed', async ({ folder }) => {
  const { code, last } = await run(folder, { 'a.test.js': `${UVU}test.run()` })
  assert.is(last, '0 passed, 1 failed, 0 skipped')
  assert.is(code, 1)
})

test('counts tests that never ran because a before hook threw as failed', async ({ folder }) => {
  const throws = `${UVU}test.before(() => { throw new Error('no') })\ntest('one', () => {})\ntest.run()`
  const { code, last } = await run(folder, { 'a.test.js': throws })
  assert.is(last, '0 passed, 1 failed, 0 skipped')
  assert.is(code, 1)
})

test('counts a file that dies after its tests passed as failed', async ({ folder }) => {
  const dies = `${PASSES}\nsetTimeout(() => process.exit(3), 300)`
  const { code, last, output } = await run(folder, { 'a.test.js': dies })
  assert.is(last, '2 passed, 1 failed, 0 skipped')
  assert.match(output, 'ended with 3')
  assert.is(code, 1)
})

test('ends a file that hangs at its own time limit, with all it started, and goes on', async ({ folder }) => {
  const files = { 'a.test.js': HANGS + STARTS_CHILDREN, 'b.test.js': PASSES }
  const { code, last, output } = await run(folder, files)
  assert.is(last, '2 passed, 1 failed, 0 skipped')
  assert.match(output, 'did not end within 4 s')
  assert.equal(await living(folder), [])
  assert.is(code, 1)
})

test('ends a unit test file after 20 s, whatever limit it asks for', async ({ folder }) => {
  const { code, last, output } = await run(folder, { 'a.test.js': HANGS.replace('4s', '600s') })
  assert.is(last, '0 passed, 1 failed, 0 skipped')
  assert.match(output, 'did not end within 20 s')
  assert.is(code, 1)
})

test('ends what a file left behind and counts it as failed', async ({ folder }) => {
  const { code, last, output } = await run(folder, { 'a.test.js': PASSES + STARTS_CHILDREN })
  assert.is(last, '2 passed, 1 failed, 0 skipped')
  assert.match(output, 'left a process behind')
  assert.equal(await living(folder), [])
  assert.is(code, 1)
})

test('ends everything on SIGINT', async ({ folder }) => {
  await writeFile(join(folder, 'unit', 'a.test.js'), HANGS.replace('4s', '60s') + STARTS_CHILDREN)
  const { runner, ended } = startRunner(folder, [], {})
  while ((await readFile(join(folder, 'pids'), 'utf8').catch(() => '')) === '') {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  runner.kill('SIGINT')
  assert.is((await ended).code, 130)
  assert.equal(await living(folder), [])
})

test('counts skipped tests and lists their reasons, such as a program that is not there', async ({
  folder,
}) => {
  const needs = `import { needsProgram } from '${new URL('../helpers/test.js', import.meta.url)}'
needsProgram(test, 'no-such-program')('three', () => {})
needsProgram(test, 'node')('four', () => {})\n`
  const { code, last, output } = await run(folder, { 'a.test.js': PASSES.replace('test(', `${needs}test(`) })
  assert.is(last, '3 passed, 0 failed, 1 skipped')
  assert.match(output, 'skipped: three (no-such-program is not installed)')
  assert.is(code, 0)
})

test('a bounded promise fails with what did not come, and in time gives what came', async () => {
  const late = await bounded(10, new Promise(() => {}), 'the answer').catch(String)
  assert.is(late, 'Error: the answer did not come within 10 ms')
  assert.is(await bounded(1_000, Promise.resolve(5), 'the answer'), 5)
})

test('counts a test that is skipped without a reason as failed', async ({ folder }) => {
  const { code, last } = await run(folder, {
    'a.test.js': `${UVU}test.skip('two')\n${PASSES.slice(UVU.length)}`,
  })
  assert.is(last, '2 passed, 1 failed, 1 skipped')
  assert.is(code, 1)
})

/** A file that waits for another one to have started, and says whether a variable of ours was handed on to it. */
function meeting(folder: string, own: string, other: string): string {
  return `// time-limit: 15s\n\n${UVU}
import { existsSync, writeFileSync } from 'node:fs'
test('meets the other', async () => {
  if (process.env.LADING_TEST_JOBS) throw new Error('was handed LADING_TEST_JOBS')
  writeFileSync('${folder}/${own}', '')
  while (!existsSync('${folder}/${other}')) await new Promise((resolve) => setTimeout(resolve, 10))
})
test.run()`
}

test('runs as many files at once as LADING_TEST_JOBS says, and hands no LADING_ variable on', async ({
  folder,
}) => {
  await mkdir(join(folder, 'faults'))
  await writeFile(join(folder, 'faults', 'a.test.js'), meeting(folder, 'a', 'b'))
  await writeFile(join(folder, 'faults', 'b.test.js'), meeting(folder, 'b', 'a'))
  assert.is((await run(folder, {}, { env: { LADING_TEST_JOBS: '2' } })).last, '2 passed, 0 failed, 0 skipped')
})

test('runs three unit test files at a time without being asked to', async ({ folder }) => {
  const files = { 'a.test.js': meeting(folder, 'a', 'b'), 'b.test.js': meeting(folder, 'b', 'a') }
  assert.is((await run(folder, files)).last, '2 passed, 0 failed, 0 skipped')
})

test.run()
