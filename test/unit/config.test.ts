import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ConfigError, defaultConfig, parseConfig } from '../../server/config.js'
import { SETTING_VALUES } from '../fixtures/setting-values.js'
import { type Environment, refusal, runConfig, SECRETS, variableOf } from '../helpers/config.js'

const test = suite('config')

for (const [flag, { field, right, wrong }] of Object.entries(SETTING_VALUES)) {
  test(`takes ${Object.keys(right).length} right values of --${flag}, as a flag and as a variable`, () => {
    for (const [text, value] of Object.entries(right)) {
      assert.equal(runConfig([`--${flag}`, text])[field], value, text)
      assert.equal(runConfig([], { [variableOf(flag)]: text })[field], value, text)
    }
  })

  test(`refuses ${wrong.length} wrong values of --${flag} in one line that names where it came from`, () => {
    const isSecret = SECRETS.includes(flag)
    for (const text of wrong) {
      const ways = [
        [`--${flag} is '`, refusal(() => runConfig([`--${flag}=${text}`]))],
        [`${variableOf(flag)} is '`, refusal(() => runConfig([], { [variableOf(flag)]: text }))],
      ] as const
      for (const [start, message] of ways) {
        assert.ok(
          message.startsWith(isSecret ? start.replace(/'$/, 'a text that is not shown') : start),
          message,
        )
        assert.match(message, / but must be \S/)
        assert.not.match(message, '\n')
      }
    }
  })
}

test('has the documented defaults', () => {
  assert.equal(runConfig([]), {
    host: '127.0.0.1',
    port: 1_080,
    basePath: '/files',
    dataDir: './data',
    database: 'sqlite',
    storage: 'files',
    s3Endpoint: null,
    s3Region: null,
    s3PartBytes: 16 * 2 ** 20,
    slots: 10,
    slotsPerOwner: 'auto',
    maxBytesPerOwnerPerDay: 'off',
    slotWaitMs: 0,
    clusterSlots: 'off',
    connections: 'auto',
    keepAliveMs: 75_000,
    downloads: 64,
    maxSizeBytes: 64 * 2 ** 30,
    accept: [],
    expireAfterMs: 86_400_000,
    maxUnfinished: 100_000,
    keepPartialsMs: 0,
    idleTimeoutMs: 30_000,
    minRateBytesPerMinute: 65_536,
    durability: 'finish',
    minFreeBytes: 2 ** 30,
    digestThreads: 'auto',
    lane: true,
    disableDownload: false,
    behindProxy: false,
    corsOrigins: ['*'],
    corsAllowHeaders: [],
    corsAllowCredentials: false,
    authJwks: null,
    authSecret: null,
    authIssuer: null,
    authAudience: null,
    adminKey: null,
    hooksModule: null,
    hooksTimeoutMs: 15_000,
    hooksOnFailure: 'refuse',
    hooksHttp: null,
    hooksHttpSecret: null,
    hooksEnabledEvents: ['pre-create', 'post-create', 'post-receive', 'post-terminate', 'post-finish'],
    hooksHttpForwardHeaders: [],
    hooksHttpRetry: 3,
    hooksHttpBackoffMs: 1_000,
    hooksHttpTimeoutMs: 15_000,
    hooksHttpSizeLimit: 5_120,
    hooksHttpPass4xx: true,
    progressHooksIntervalMs: 1_000,
    idForm: 'dashed',
    logLevel: 'info',
    logFormat: 'json',
    page: true,
    metrics: true,
    metricsTusdNames: false,
    eventStreams: 1_000,
  })
})

test('logs pretty on a terminal and json elsewhere, unless it is told', () => {
  assert.is(runConfig([], {}, true).logFormat, 'pretty')
  assert.is(runConfig([], {}, false).logFormat, 'json')
  assert.is(runConfig(['--log-format', 'json'], {}, true).logFormat, 'json')
})

test('prefers the flag to the variable', () => {
  assert.is(runConfig(['--slot-wait', '5s'], { LADING_SLOT_WAIT: '7s' }).slotWaitMs, 5_000)
})

test('takes a switch without a value, with one, and negated; a flag overrides its variable', () => {
  const off = { LADING_BEHIND_PROXY: 'off' }
  for (const argv of [['--behind-proxy'], ['--behind-proxy=on'], ['--behind-proxy', 'true', '--port', '0']])
    assert.is(runConfig(argv, off).behindProxy, true, argv.join(' '))
  for (const argv of [['--no-behind-proxy'], ['--behind-proxy=0'], ['--port', '0', '--behind-proxy', 'off']])
    assert.is(runConfig(argv, { LADING_BEHIND_PROXY: 'on' }).behindProxy, false, argv.join(' '))
  const command = parseConfig(['--behind-proxy', 'reindex'], {}, false)
  assert.ok('reindex' in command && command.reindex.behindProxy)
})

test('refuses what it does not know in one line that names it', () => {
  const cases: ReadonlyArray<[argv: readonly string[], env: Environment, names: string]> = [
    [['--slots-wait', '5s'], {}, '--slots-wait'],
    [['-x'], {}, '-x'],
    [['--no-port'], {}, '--no-port'],
    [['--port'], {}, '--port must be a whole number'],
    [['--port', '--slots', '3'], {}, '--port must be a whole number'],
    [['--behind-proxy', 'yes'], {}, "'yes' is not a command"],
    [['serve'], {}, "'serve' is not a command"],
    [['reindex', 'again'], {}, "'again' is one argument too many"],
    [[], { LADING_SLOTWAIT: '5s' }, 'LADING_SLOTWAIT'],
    [['--a\nb'], {}, '--a'],
  ]
  for (const [argv, env, names] of cases) {
    const message = refusal(() => parseConfig(argv, env, false))
    assert.ok(message.includes(names), message)
    assert.not.match(message, '\n')
  }
})

test('leaves the variables of other programs alone', () => {
  assert.equal(runConfig([], { PORT: '1', LADINGS: '1', PATH: '' }), runConfig([]))
})

test('takes reindex with flags around it', () => {
  const command = parseConfig(['--port', '0', 'reindex', '--data-dir', 'elsewhere'], {}, false)
  assert.ok('reindex' in command && command.reindex.port === 0 && command.reindex.dataDir === 'elsewhere')
})

test('answers --version, and --help with every flag, variable and command, whatever else is wrong', () => {
  assert.equal(parseConfig(['--version', '--port', 'x'], {}, false), { version: true })
  const command = parseConfig(['-h'], { LADING_PORT: 'x' }, false)
  if (!('help' in command)) throw new Error('is not help')
  for (const flag of Object.keys(SETTING_VALUES)) {
    assert.match(command.help, `--${flag}, ${variableOf(flag)} (default: `)
  }
  assert.match(command.help, 'lading reindex')
})

test('gives a frozen Config, down to its lists', () => {
  const config = runConfig(['--accept', 'image/*'])
  for (const part of [config, config.accept, config.corsOrigins]) assert.ok(Object.isFrozen(part))
})

test('holds the overrides of a program to the same rules', () => {
  const config = defaultConfig({
    port: 0,
    slotWaitMs: 20,
    accept: ['image/*'],
    behindProxy: true,
    basePath: 'up/',
  })
  assert.equal(
    { ...config },
    { ...runConfig([]), port: 0, slotWaitMs: 20, accept: ['image/*'], behindProxy: true, basePath: '/up' },
  )
  const cases: ReadonlyArray<[overrides: Partial<Record<string, unknown>>, names: string]> = [
    [{ slotWaitMs: -1 }, 'slotWaitMs is -1 but must be a duration'],
    [{ slots: 1.5 }, 'slots is 1.5 but'],
    [{ maxSizeBytes: Number.POSITIVE_INFINITY }, 'maxSizeBytes is Infinity but'],
    [{ accept: ['image/*', 'pdf'] }, 'accept is '],
    [{ port: null }, 'port is null but'],
    [{ port: undefined }, 'port is undefined but'],
    [{ slotWait: 5 }, "'slotWait' is not a setting"],
  ]
  for (const [overrides, names] of cases) {
    const message = refusal(() => defaultConfig(overrides))
    assert.ok(message.startsWith(names), message)
  }
})

test('takes nothing but an object from a program, and says so in one line', () => {
  for (const settings of [null, 5, [], 'x', true, () => {}, new Map(), new Date()] as const) {
    const message = refusal(() => Reflect.apply(defaultConfig, undefined, [settings]))
    assert.match(message, /^the settings are .* but must be an object$/)
    assert.not.match(message, '\n')
  }
  assert.equal(defaultConfig(undefined), runConfig([]))
  assert.equal(defaultConfig(Object.create(null)), runConfig([]))
})

test('reads back every duration and size that is written in any of its units', () => {
  const durations = fc.constantFrom(
    ['ms', 1],
    ['s', 1_000],
    ['m', 60_000],
    ['h', 3_600_000],
    ['d', 86_400_000],
  )
  const sizes = fc.constantFrom(['', 1], ['B', 1], ['KiB', 2 ** 10], ['MiB', 2 ** 20], ['GiB', 2 ** 30])
  fc.assert(
    fc.property(fc.integer({ min: 10, max: 3_650 }), durations, sizes, (count, [time, ms], [unit, bytes]) => {
      const config = runConfig(['--expire-after', `${count}${time}`, '--min-free', `${count}${unit}`])
      assert.is(config.expireAfterMs, count * Number(ms))
      assert.is(config.minFreeBytes, count * Number(bytes))
    }),
  )
})

test('answers any argument with a command or with one line', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 3 }), fc.string(), (argv, value) => {
      try {
        parseConfig(argv, { LADING_HOST: value }, false)
      } catch (error) {
        assert.instance(error, ConfigError)
        assert.not.match(error instanceof Error ? error.message : '', /[\r\n]/)
      }
    }),
  )
})

test.run()
