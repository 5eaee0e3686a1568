import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { defaultConfig, parseConfig } from '../../server/config.js'
import { SETTING_VALUES } from '../fixtures/setting-values.js'
import { refusal, runConfig, SECRETS, variableOf } from '../helpers/config.js'
import { temporaryFolder } from '../helpers/server.js'

const test = suite('secrets')

const KEY = 'a-key-of-40-letters.a-key-of-40-letters.'
/** Secrets that have a form of their own. */
const SHAPED: Readonly<Record<string, string>> = {
  'hooks-http-secret': `whsec_${'QUJD'.repeat(10)}`,
  database: `postgres://lading:${KEY}@db.example/lading`,
}

for (const flag of SECRETS) {
  const key = SHAPED[flag] ?? KEY
  const variable = variableOf(flag)
  const fileVariable = `${variable}_FILE`
  const { field } = SETTING_VALUES[flag] ?? {}
  const secretOf = (text: string): unknown => {
    const command = parseConfig([], { [fileVariable]: '/run/key' }, false, () => text)
    return 'run' in command && field ? command.run[field] : undefined
  }

  test(`${fileVariable} names a file that has the secret; white space around it does not count`, () => {
    assert.is(secretOf(`${key}\n`), key)
    assert.is(secretOf(`\ufeff ${key}\r\n`), key)
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'key'), `${key}\n`)
    const config = runConfig([], { [fileVariable]: join(folder, 'key') })
    assert.is(field && config[field], key)
    const missing = refusal(() => runConfig([], { [fileVariable]: join(folder, 'none') }))
    assert.ok(missing.startsWith(`${fileVariable} names a file that cannot be read: `), missing)
    assert.match(missing, 'ENOENT')
  })

  test(`--${flag} is given once: as a flag, as a variable or as a file`, () => {
    for (const [argv, env] of [
      [[`--${flag}`, key], {}],
      [[], { [variable]: key }],
    ] as const) {
      const message = refusal(() => runConfig(argv, { ...env, [fileVariable]: '/run/key' }))
      assert.match(message, `${fileVariable} and ${argv[0] ?? variable} are both given`)
      assert.not.match(message, key)
    }
  })

  test(`the value of --${flag} is never printed`, () => {
    const wrong = `not one\nline ${key}`
    const command = parseConfig(['--help', `--${flag}`, key], { [variable]: key }, false)
    const told = [
      refusal(() => runConfig([`--${flag}`, wrong])),
      refusal(() => runConfig([], { [variable]: wrong })),
      refusal(() => secretOf(wrong)),
      refusal(() => Reflect.apply(defaultConfig, undefined, [{ [String(field)]: wrong }])),
      'help' in command ? command.help : '',
    ]
    for (const text of told) {
      assert.not.match(text, key)
      assert.match(text, fileVariable)
    }
  })
}

test('refuses settings that do not go together, in one line that names them', () => {
  const jwks = ['--auth-jwks', 'https://id.example/keys']
  const cases: ReadonlyArray<[argv: readonly string[], names: readonly string[]]> = [
    [
      [...jwks, '--auth-secret', KEY],
      ['--auth-jwks', '--auth-secret'],
    ],
    [['--cors-allow-credentials'], ['--cors-allow-credentials needs --cors-origin']],
    [['--auth-issuer', 'https://id.example'], ['--auth-issuer needs']],
    [['--auth-audience', 'up'], ['--auth-audience needs']],
    [['--storage', 's3://bucket/uploads'], ['--storage s3://… needs --database postgres://…']],
    [['--cluster-slots', '10'], ['--cluster-slots needs --storage s3://…']],
  ]
  for (const [argv, names] of cases) {
    const message = refusal(() => runConfig(argv))
    for (const name of names) assert.match(message, name)
    assert.not.match(message, /\n/)
    assert.not.match(message, KEY)
  }
  const config = runConfig([...jwks, '--auth-issuer', 'https://id.example', '--auth-audience', 'up'])
  assert.equal([config.authIssuer, config.authAudience], ['https://id.example', 'up'])
  const database = ['--database', 'postgres://db.example/lading']
  for (const storage of ['s3://bucket', 's3://my.bucket-1/some/where', 's3://bucket/a_b.c/'])
    assert.is(runConfig([...database, '--storage', storage]).storage, storage)
  const cluster = [...database, '--storage', 's3://bucket', '--cluster-slots']
  for (const slots of [1, 10_000]) assert.is(runConfig([...cluster, `${slots}`]).clusterSlots, slots)
})

test.run()
