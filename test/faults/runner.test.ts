// waits

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FAULTY, HANGS, PASSES, STARTS_CHILDREN, UVU } from '../fixtures/faulty-tests.js'
import { bounded } from '../helpers/test.js'

const test = suite('runner', { root: '', folder: '' })

/** Files of the first share a process, those of the second have each their own. */
const FOLDERS = ['unit', 'faults'] as const

const BUILT = fileURLToPath(new URL('..', import.meta.url))
/** uvu for the runner that is tried. */
const PACKAGES = fileURLToPath(new URL('../..', import.meta.resolve('uvu')))

/** A runner with empty folders, in a tree of its own. */
async function makeRunner(): Promise<{ root: string; folder: string }> {
  const root = await mkdtemp(join(tmpdir(), 'lading-run-'))
  const folder = join(root, 'dist', 'test')
  for (const name of FOLDERS) await mkdir(join(folder, name), { recursive: true })
  await writeFile(join(root, 'package.json'), '{ "type": "module" }')
  await symlink(PACKAGES, join(root, 'node_modules'))
  await copyFile(join(BUILT, 'run.js'), join(folder, 'run.js'))
  await cp(join(BUILT, 'runner'), join(folder, 'runner'), { recursive: true })
  return { root, folder }
}

test.before.each(async (context) => void Object.assign(context, await makeRunner()))
test.after.each(async ({ root }) => await rm(root, { recursive: true }))

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
  return { runner, ended: bounded(120_000, ended, 'the end of the runner') }
}

interface Trial {
  readonly args?: readonly string[]
  readonly env?: Record<string, string>
  /** The folder that the files lie in. */
  readonly under?: (typeof FOLDERS)[number]
}

async function run(folder: string, files: Record<string, string>, trial: Trial = {}) {
  const { args = [], env = {}, under = 'unit' } = trial
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, under, name), text)
  return await startRunner(folder, args, env).ended
}

async function living(folder: string): Promise<number[]> {
  const noted = await readFile(join(folder, 'pids'), 'utf8').catch(() => '')
  const pids = noted
    .split(' ')
    .filter((pid) => pid !== '')
    .map(Number)
  const states = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') X')),
  )
  return pids.filter((_, index) => !/\) [ZX]/.test(states[index] ?? ''))
}

// Begun first: it takes 20 s, beside the tests below.
const longest = await makeRunner()
const longestEnd = run(longest.folder, { 'a.test.js': HANGS.replace('4s', '600s') })

for (const under of FOLDERS) {
  const names = Object.keys(FAULTY)
  const fileOf = (name: string): string => `${name.replaceAll(' ', '-')}.test.js`

  test(`faulty files in ${under}/ fail, each by its own counts, and the good ones between them pass`, async ({
    folder,
  }) => {
    const faulty = names.map((name) => [fileOf(name), FAULTY[name]?.text ?? ''])
    const good = names.map((name) => [fileOf(`${name} and then`), PASSES])
    const { code, output } = await run(folder, Object.fromEntries([...faulty, ...good]), {
      env: { LADING_TEST_JOBS: '3' },
      under,
    })
    for (const name of names) {
      const { counts, says } = FAULTY[name] ?? { counts: 'none', says: /none/ }
      const from = output.indexOf(`FAIL ${under}/${fileOf(name)}: ${counts} (`)
      assert.ok(from >= 0, `${name}: ${counts}, in\n${output}`)
      const upTo = output.slice(from).search(/\n(ok {3}|FAIL )|$/)
      assert.match(output.slice(from, from + upTo), says)
      assert.match(output, `ok   ${under}/${fileOf(`${name} and then`)}: 2 passed, 0 failed, 0 skipped`)
    }
    assert.equal(await living(folder), [])
    assert.is(code, 1)
  })

  test(`a file that hangs in ${under}/ is ended at its own time limit, with all it started`, async ({
    folder,
  }) => {
    const files = { 'a.test.js': HANGS + STARTS_CHILDREN, 'b.test.js': PASSES }
    const { code, last, output } = await run(folder, files, { under })
    assert.is(last, '2 passed, 1 failed, 0 skipped')
    assert.match(output, 'did not end within 4 s')
    assert.equal(await living(folder), [])
    assert.is(code, 1)
  })

  test(`skipped tests of ${under}/ are counted, and their reasons listed`, async ({ folder }) => {
    const needs = `import { needsProgram } from '${new URL('../helpers/test.js', import.meta.url)}'
needsProgram(test, 'no-such-program')('three', () => {})
needsProgram(test, 'node')('four', () => {})\n`
    const files = { 'a.test.js': PASSES.replace('test(', `${needs}test(`), 'b.test.js': PASSES }
    const { code, last, output } = await run(folder, files, { under })
    assert.is(last, '5 passed, 0 failed, 1 skipped')
    assert.match(output, `${under}/a.test.js: 3 passed, 0 failed, 1 skipped`)
    assert.match(output, 'skipped: three (no-such-program is not installed)')
    assert.is(code, 0)
  })
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

test('runs no file whose source is gone', async ({ folder, root }) => {
  await mkdir(join(root, 'test', 'unit'), { recursive: true })
  await writeFile(join(root, 'test', 'unit', 'a.test.ts'), '')
  const { last } = await run(folder, { 'a.test.js': PASSES, 'b.test.js': PASSES })
  assert.is(last, '2 passed, 0 failed, 0 skipped')
})

test('ends with exit code 1 when nothing ran', async ({ folder }) => {
  const { code, last } = await run(folder, { 'a.test.js': PASSES }, { args: ['elsewhere'] })
  assert.is(last, '0 passed, 0 failed, 0 skipped')
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

test('a bounded promise fails with what did not come, and in time gives what came', async () => {
  const late = await bounded(10, new Promise(() => {}), 'the answer').catch(String)
  assert.is(late, 'Error: the answer did not come within 10 ms')
  assert.is(await bounded(1_000, Promise.resolve(5), 'the answer'), 5)
})

test('runs unit test files in one process, up to one that fails', async ({ folder }) => {
  const notes = `import { appendFileSync } from 'node:fs'\n${PASSES}appendFileSync('${folder}/notes', process.pid + ' ')\n`
  const files = ['a', 'b', 'd', 'e'].map((name) => [`${name}.test.js`, notes])
  const fails = `${notes}test('three', () => { throw new Error('no') })\ntest.run()`
  const env = { LADING_TEST_JOBS: '1' }
  await run(folder, Object.fromEntries([...files, ['c.test.js', fails]]), { env })
  const [a = '', b, c, d = '', e] = (await readFile(join(folder, 'notes'), 'utf8')).trim().split(' ')
  assert.equal([b, c, e], [a, a, d])
  assert.is.not(d, a)
})

const CHANGES = {
  'environment ADDED=1': "process.env.ADDED = '1'",
  'working directory /': "process.chdir('/')",
  '1 listeners of uncaughtException': "process.on('uncaughtException', () => {})",
}
for (const [change, code] of Object.entries(CHANGES)) {
  test(`a unit test file that leaves a change for the next one fails: ${change}`, async ({ folder }) => {
    const { last, output } = await run(folder, { 'a.test.js': `${PASSES}${code}`, 'b.test.js': PASSES })
    assert.is(last, '4 passed, 1 failed, 0 skipped')
    assert.match(output, `unit/a.test.js did not change back: ${change}`)
  })
}

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

for (const under of FOLDERS) {
  test(`runs as many files of ${under}/ at once as LADING_TEST_JOBS says, and hands no LADING_ variable on`, async ({
    folder,
  }) => {
    const files = { 'a.test.js': meeting(folder, 'a', 'b'), 'b.test.js': meeting(folder, 'b', 'a') }
    const { last } = await run(folder, files, { env: { LADING_TEST_JOBS: '2' }, under })
    assert.is(last, '2 passed, 0 failed, 0 skipped')
  })
}

test('runs three unit test files at a time without being asked to', async ({ folder }) => {
  const files = {
    'a.test.js': meeting(folder, 'a', 'c'),
    'b.test.js': meeting(folder, 'b', 'c'),
    'c.test.js': meeting(folder, 'c', 'b'),
  }
  assert.is((await run(folder, files)).last, '3 passed, 0 failed, 0 skipped')
})

/** A file that fails when another one of these runs beside it. */
const ALONE = `${UVU}import { closeSync, openSync, rmSync } from 'node:fs'
test('is alone', async () => {
  const place = new URL('./running', import.meta.url)
  closeSync(openSync(place, 'wx'))
  await new Promise((resolve) => setTimeout(resolve, 300))
  rmSync(place)
})
test.run()`

test('runs two files that wait at a time, and every other one of faults/ alone', async ({ folder }) => {
  const waiting = (own: string, other: string) => `// waits\n${meeting(folder, own, other)}`
  const together = { 'a.test.js': waiting('a', 'd'), 'd.test.js': waiting('d', 'a') }
  const alone = { 'b.test.js': ALONE, 'c.test.js': ALONE }
  const { last } = await run(folder, { ...together, ...alone }, { under: 'faults' })
  assert.is(last, '4 passed, 0 failed, 0 skipped')
})

test('runs one file of the cluster at a time while others wait, and two once none does', async ({
  folder,
}) => {
  const files = {
    'a.test.js': `// cluster\n${ALONE}`,
    'b.test.js': `// cluster\n${ALONE}`,
    'c.test.js': `// cluster\n${meeting(folder, 'c', 'd')}`,
    'd.test.js': `// cluster\n${meeting(folder, 'd', 'c')}`,
    // They do not end before the first two of the cluster have run.
    'e.test.js': `// waits\n${meeting(folder, 'e', 'c')}`,
    'f.test.js': `// waits\n${meeting(folder, 'f', 'c')}`,
  }
  const { last } = await run(folder, files, { under: 'faults' })
  assert.is(last, '6 passed, 0 failed, 0 skipped')
})

test('ends a unit test file after 20 s, whatever limit it asks for', async () => {
  const { code, last, output } = await longestEnd
  await rm(longest.root, { recursive: true })
  assert.is(last, '0 passed, 1 failed, 0 skipped')
  assert.match(output, 'did not end within 20 s')
  assert.is(code, 1)
})

test.run()
