import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Check, GROUP_NAMES } from '../conformance/check.js'
import { GROUPS } from '../conformance/groups/all.js'
import { runGroups } from '../conformance/suite.js'
import { readTarget, type Target } from '../conformance/target.js'
import { all, assertConforms, conformance, failed, type Report } from '../helpers/conformance.js'
import { bounded } from '../helpers/test.js'

const test = suite('conformance')

/** Some of what stock @tus/server breaks; a suite that does not see these is blind. */
const STOCK_BREAKS = [
  '412 with Tus-Version where there is no upload',
  'OPTIONS that says PATCH is a PATCH',
  'GET and POST that say OPTIONS are OPTIONS, also where there is no upload',
  '412 to POST, HEAD and PATCH under another version',
  'Tus-Version is in the answer to POST, HEAD and PATCH under another version',
  'POST that says PATCH is a PATCH',
  'POST that says OPTIONS creates nothing',
  'PATCH that says HEAD stores nothing',
  'a value of any bytes',
  'keys that are names of a language, of one character, or in capitals',
]

/** A server that writes what it is given to each connection on which something comes. */
async function listen(answer: (request: string) => string): Promise<{ server: Server; url: URL }> {
  const server = createServer((socket) => {
    socket.on('data', (data) => socket.write(answer(data.toString('latin1'))))
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A test that fails closes nothing, and must end all the same.
  server.unref()
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { server, url: new URL(`http://127.0.0.1:${port}/files`) }
}

const OFFERS_CREATION = 'HTTP/1.1 204 No Content\r\nTus-Version: 1.0.0\r\nTus-Extension: creation\r\n\r\n'

const CHECK: Omit<Check, 'title' | 'run'> = { section: 'Core', level: 'MUST', sentence: 'It MUST answer.' }

test('every check is named by its section, its sentence and a title of its own', () => {
  assert.equal(
    GROUPS.map(({ name }) => name),
    [...GROUP_NAMES],
  )
  for (const { name, checks } of GROUPS) {
    assert.is(new Set(checks.map(({ title }) => title)).size, checks.length, name)
    for (const { section, sentence } of checks) assert.ok(section !== '' && sentence !== '', name)
  }
})

test('Lading offers every extension, breaks no MUST, and no SHOULD without a reason', async () => {
  assertConforms(await conformance('--json'))
})

test('stock @tus/server breaks the MUSTs that it is known to break', async () => {
  const { code, out } = await conformance('--stock', '--json')
  const report: Report = JSON.parse(out)
  assert.is(code, 1)
  const broken = failed(report, 'MUST')
  assert.equal(
    STOCK_BREAKS.filter((title) => !broken.includes(title)),
    [],
  )
  assert.ok(all(report, 'passed') >= 80, `${all(report, 'passed')} passed`)
  const skipped = report.checks.filter(({ outcome, group }) => outcome === 'skipped' && group === 'checksum')
  assert.is(skipped.length, GROUPS.find(({ name }) => name === 'checksum')?.checks.length)
})

test('a server that hangs fails the check and not the suite', async () => {
  const { server, url } = await listen((request) => (request.startsWith('OPTIONS') ? OFFERS_CREATION : ''))
  const target = await readTarget(url, [])
  const asks: Check = { ...CHECK, title: 'asks', run: async (client) => void (await client.create(10)) }
  const results = await bounded(
    30_000,
    runGroups(target, [{ name: 'core', checks: [asks] }], never),
    'the results',
  )
  assert.equal(
    results.map(({ outcome, seen }) => [outcome, seen]),
    [['failed', 'silence']],
  )
  server.close()
})

test('a check under which the server ends has failed, and the others go on once it is back', async () => {
  const { server, url } = await listen(() => OFFERS_CREATION)
  const target = await readTarget(url, [])
  const ends: Check = { ...CHECK, title: 'ends', run: async () => void server.close() }
  const asks: Check = { ...CHECK, title: 'asks', run: async (client) => void (await client.options()) }
  const checks = [asks, ends, asks]

  const second = await listen(() => OFFERS_CREATION)
  const back = await runGroups(target, [{ name: 'core', checks }], () => readTarget(second.url, []))
  assert.equal(
    back.map(({ outcome }) => outcome),
    ['passed', 'failed', 'passed'],
  )
  assert.match(back[1]?.seen ?? '', 'no connections any more')
  second.server.close()

  const gone = await runGroups(target, [{ name: 'core', checks: [ends, asks] }], never)
  assert.equal(
    gone.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['failed', undefined],
      ['skipped', 'the server is gone'],
    ],
  )
})

test('what cannot be run is told in one line, with exit code 2', async () => {
  const { server, url } = await listen(() => 'SSH-2.0-nobody\r\n\r\n')
  const tries = [['--nope'], ['ftp://127.0.0.1/files'], ['--only', 'creations'], ['--stock', url.href]]
  for (const args of [
    ...tries,
    ['--json', '--markdown'],
    ['--header', 'none'],
    [url.href],
    ['http://127.0.0.1:1/'],
  ]) {
    const { code, out, errors } = await conformance(...args)
    assert.is(code, 2, args.join(' '))
    assert.is(out, '')
    assert.match(errors, /^[^\n]+\n$/)
  }
  server.close()
})

test('--only and --markdown give the table of one group; --header goes with each request', async () => {
  const requests: string[] = []
  const { server, url } = await listen((request) => {
    requests.push(request)
    return OFFERS_CREATION
  })
  const args = ['--only', 'termination', '--header', 'Authorization: Bearer of news', '--markdown']
  const { code, out } = await conformance(url.href, ...args)
  assert.is(code, 0)
  assert.is(
    out.split('\n').filter((line) => /^\| (termination|all) \| 0 \| 0 \| 0 \| 9 \|$/.test(line)).length,
    2,
  )
  assert.match(
    requests[0] ?? '',
    /^OPTIONS \/files HTTP\/1\.1\r\nHost: [\d.:]+\r\nAuthorization: Bearer of news\r\n/,
  )
  server.close()
})

test('--help names the options', async () => {
  const { code, out } = await conformance('--help')
  assert.is(code, 0)
  for (const option of ['--stock', '--only', '--json', '--markdown', '--header']) assert.match(out, option)
})

function never(): Promise<Target> {
  return Promise.reject(new Error('it stays away'))
}

test.run()
