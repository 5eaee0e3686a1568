import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nameOf, ratiosOf, verdictsOf } from '../bench/figures.js'
import { parseOptions } from '../bench/options.js'
import { readmePart, withResult } from '../bench/readme.js'
import { derivedFrom, reportLines } from '../bench/report.js'
import { type CaseName, type Result, readResult, type Series, writeResult } from '../bench/result.js'

const test = suite('bench-report')

const BEGIN = '<!-- result: npm run bench -- --readme writes what follows -->'
const END = '<!-- /result -->'

function series(name: CaseName, contender: string, rates: readonly number[], cpuSeconds?: number): Series {
  return { case: name, contender, variant: '', samples: rates.map((rate) => ({ rate, cpuSeconds })) }
}

const CONTENDERS = ['lading', 'stock + digest', 'nginx + openssl', 'stock', 'nginx', 'today']

/** Lading at 160 MB/s and 0.949 s/GiB; every other server at 100 MB/s and 1 s/GiB, but the peer's CPU is not seen. */
const RESULT: Result = {
  startedAt: '2026-11-26T04:00:00.000Z',
  rounds: 5,
  divisor: 1,
  machine: { processor: 'a processor', memory: '4 GiB', system: 'a system', data: 'a disk' },
  contenders: CONTENDERS.map((name) => ({ name, about: `about ${name}` })),
  leftOut: ['tusd: it is not installed'],
  cases: [
    { name: 'one', title: '1 × 1 GiB', rateUnit: 'MB/s', cpuUnit: 'CPU s/GiB' },
    { name: 'patches', title: 'in PATCHes', rateUnit: 'MB/s', cpuUnit: 'CPU s/GiB' },
    { name: 'memory', title: 'ten uploads', rateUnit: 'MB/s', cpuUnit: 'CPU s/GiB' },
  ],
  series: [
    ...CONTENDERS.map((name) => {
      if (name === 'lading') return series('one', name, [160, 1, 9_999], 0.949)
      return series('one', name, [100], name === 'today' ? undefined : 1)
    }),
    series('patches', 'lading', [100]),
    { ...series('patches', 'lading', [50]), variant: '500 KiB' },
    { ...memory(60e6, 85.04e6, 20), variant: '4 GiB' },
  ],
  attacks: [],
}

function memory(idleRssBytes: number, peakRssBytes: number, eventLoopP99Ms: number): Series {
  const sample = { rate: 1, idleRssBytes, peakRssBytes, eventLoopP99Ms }
  return { case: 'memory', contender: 'lading', variant: '', samples: [sample] }
}

test('ratios begin with the servers that compute a digest too; a variant is also compared with the plain one', () => {
  const names = ratiosOf(RESULT).filter(({ figure }) => figure === 'rate')
  assert.equal(
    names.map(({ ours, theirs, ratio }) => `${nameOf(ours)} ÷ ${nameOf(theirs)} = ${ratio}`),
    [
      'lading ÷ stock + digest = 1.6',
      'lading ÷ nginx + openssl = 1.6',
      'lading ÷ stock = 1.6',
      'lading ÷ nginx = 1.6',
      'lading ÷ today = 1.6',
      'lading, 500 KiB ÷ lading = 0.5',
    ],
  )
  assert.is(ratiosOf(RESULT).filter(({ figure }) => figure === 'cpuSeconds').length, 4, 'CPU that is seen')
})

test('another build is compared with, also where its name begins with ours', () => {
  const both = { ...RESULT, series: [series('one', 'lading', [150]), series('one', 'lading-old', [100])] }
  assert.equal(
    ratiosOf(both).map(({ ours, theirs, ratio }) => `${nameOf(ours)} ÷ ${nameOf(theirs)} = ${ratio}`),
    ['lading ÷ lading-old = 1.5'],
  )
})

test('a target is met if the figure as printed is within it', () => {
  const words = verdictsOf(RESULT).map(({ target, value, isMet }) => {
    const { case: name, figure, theirs = '', bound, limit } = target
    return `${name} ${figure} ${theirs} ${bound} ${limit}: ${Number.isNaN(value) ? 'not measured' : isMet}`
  })
  assert.ok(words.includes('one rate stock + digest ≥ 1.6: true'))
  assert.ok(words.includes('one cpuSeconds stock + digest ≤ 0.6: false'))
  assert.ok(words.includes('one cpuSeconds stock ≤ 0.95: true'), '0.949 is printed as 0.95')
  assert.ok(words.includes('one cpuSeconds today ≤ 0.8: not measured'))
  assert.ok(words.includes('patches rate lading ≥ 0.6: false'))
  assert.ok(words.includes('memory aboveIdleMb  ≤ 25: true'), '25.04 is printed as 25.0')
  assert.ok(words.includes('memory eventLoopP99Ms  < 20: false'), '20 is not below 20')
})

test('the README gets a table of ratios with targets, one of medians, one of memory, and what was left out', () => {
  const lines = readmePart(RESULT).split('\n')
  const has = (line: string): void => assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`)
  has('2026-11-26, 5 rounds: a processor; 4 GiB; a system; data on a disk.')
  has('| Lading ÷ | stock + digest | nginx + openssl | stock | nginx | today |')
  has(
    '| `one`, MB/s | **1.60** (≥ 1.6, met) | **1.60** (≥ 1.2, met) | **1.60** (≥ 1.15, met) | **1.60** | **1.60** |',
  )
  has(
    '| `one`, CPU s/GiB | **0.95** (≤ 0.6, missed) | **0.95** (≤ 0.8, missed) | **0.95** (≤ 0.95, met) | **0.95** | – |',
  )
  has('| `one`, CPU s/GiB | 0.95 | 1.00 | 1.00 | 1.00 | 1.00 | – |')
  has('| `patches` 500 KiB, MB/s | **0.50** (≥ 0.6, missed) | 50 | 100 |')
  has('| memory: lading, 4 GiB | 60.0 (≤ 85, met) | 85.0 | 25.0 (≤ 25, met) | 20.0 (< 20, missed) |')
  has('- stock + digest: about stock + digest')
  assert.not.ok(
    lines.some((line) => line.startsWith('| `memory`')),
    'memory has a table of its own',
  )
  has('- left out: tusd: it is not installed')
})

test('a result of few rounds or small sizes says so', () => {
  const [first = ''] = reportLines({ ...RESULT, rounds: 2, divisor: 8 })
  assert.is(
    first,
    'Lading benchmark, rounds: 2, where a result needs 5, sizes divided by 8: not to be quoted',
  )
})

test('only what stands between the markers is written, again and again', () => {
  const page = (part: string): string => `# Title\n\n${BEGIN}\n\n${part}\n\n${END}\n\nThe rest.\n`
  assert.is(withResult(page('old'), 'new'), page('new'))
  assert.is(withResult(withResult(page('old'), 'new'), 'newer'), page('newer'))
  for (const broken of ['', BEGIN, END, `${END} ${BEGIN}`, page('') + page('')])
    assert.throws(() => withResult(broken, 'new'), /^the README must have one /)
})

test('the README of the benchmark has the markers', () => {
  const page = readFileSync('test/bench/README.md', 'utf8')
  assert.is(withResult(withResult(page, 'x'), 'y'), withResult(page, 'y'))
})

test('a result that was written as JSON is rendered as before; another file is refused in one line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-report-'))
  try {
    const path = join(folder, 'result.json')
    writeResult(path, RESULT, derivedFrom(RESULT))
    assert.equal(reportLines(readResult(path)), reportLines(RESULT))
    assert.is(readmePart(readResult(path)), readmePart(RESULT))
    writeFileSync(path, '{}')
    assert.throws(() => readResult(path), /^--from is \S+ but that is no result of --json[^\n]*$/)
    writeFileSync(path, 'text')
    assert.throws(() => readResult(path), /^--from is \S+ but that cannot be read as JSON$/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('options select cases, rounds, builds and peers with their processes', () => {
  const url = 'http://127.0.0.1:1080/files'
  const options = parseOptions(
    `--rounds 3 --cases one,attacks --quick --peer a=${url}/ --peer b.2=${url} --peer-pid b.2=17`.split(' '),
  )
  assert.is(options?.rounds, 3)
  assert.is(options?.divisor, 8)
  assert.equal(options?.cases, ['one', 'attacks'])
  assert.equal(options?.peers, [
    { name: 'a', url, pid: undefined },
    { name: 'b.2', url, pid: 17 },
  ])
  assert.is(parseOptions([])?.cases.includes('attacks'), false)
  assert.is(parseOptions(['--readme'])?.readme, true)
  assert.is(parseOptions(['--help', '--rounds', '0']), undefined)
})

test('a wrong option stops with one plain line that names it', () => {
  const peer = '--peer a=http://127.0.0.1:1080/files'
  const wrong: Readonly<Record<string, RegExp>> = {
    '--nope': /'--nope'; --help lists/,
    word: /'word'; --help lists/,
    '--rounds': /'--rounds <value>' argument missing; --help lists/,
    '--rounds 0': /^--rounds is 0 but/,
    '--rounds many': /^--rounds is many but/,
    '--cases one,none': /^--cases has none but/,
    '--peer a': /^--peer is a but/,
    '--peer a=http://192.0.2.1/files': /^--peer is \S+ but must be on this machine/,
    [`${peer} ${peer}`]: /^Two servers have the name a:/,
    '--peer stock=http://127.0.0.1:1080/files': /^Two servers have the name stock:/,
    [`${peer} --peer-pid a=0`]: /^--peer-pid is a=0 but/,
    [`${peer} --peer-pid b=7`]: /^--peer-pid has the name b but/,
    '--build today': /^--build is today but/,
    '--build today=/nowhere': /^--build is today=\/nowhere but there is no dist\/server\/main.js/,
    '--from result.json --quick': /^--from prints an old result: --quick/,
  }
  for (const [line, reason] of Object.entries(wrong)) {
    const said = messageOf(() => parseOptions(line.split(' ')))
    assert.match(said, reason)
    assert.not.match(said, /\n|\. /)
  }
})

function messageOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  throw new Error('nothing was thrown')
}

test.run()
