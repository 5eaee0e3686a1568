import { isIP, isIPv4 } from 'node:net'
import * as v from 'valibot'
import { s3PlaceOf } from './model/s3-place.js'

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** The base units in a text such as `30s` or `10GiB`. Returns NaN, which no schema accepts, for any other text. */
function measure(text: string, units: Readonly<Record<string, number>>): number {
  const [, count = 'none', unit = ''] = /^(\d{1,16})([a-zA-Z]*)$/.exec(text) ?? []
  return Number(count) * (units[unit] ?? Number.NaN)
}

// Every schema takes the text of a flag or variable, and also the value that a program gives to
// `defaultConfig`. Its description completes the sentence "… must be".

const fromText = <T>(read: (text: string) => T) => v.pipe(v.string(), v.transform(read))

const quantity = (units: Record<string, number>, least: string, most: string, description: string) =>
  v.pipe(
    v.union([v.number(), fromText((text) => measure(text, units))]),
    v.safeInteger(),
    v.minValue(measure(least, units)),
    v.maxValue(measure(most, units)),
    v.description(description),
  )

/** A duration in milliseconds, between two texts of durations. */
export const duration = (least: string, most: string) =>
  quantity(
    MILLISECONDS,
    least,
    most,
    `a duration from ${least} to ${most}, such as 250ms, 30s, 5m, 24h or 7d`,
  )

/** Bytes, between two texts of sizes. */
export const size = (least: string, most: string) =>
  quantity(BYTES, least, most, `a size from ${least} to ${most}, such as 512, 512KiB, 1MiB, 10GiB or 2TiB`)

/** Bytes, or no limit. */
export const sizeOrOff = (least: string, most: string) =>
  v.pipe(
    v.union([v.literal('off'), size(least, most)]),
    v.description(`off, or a size from ${least} to ${most}, such as 512, 512KiB, 1MiB, 10GiB or 2TiB`),
  )

/** A whole number. */
export const whole = (least: number, most: number) =>
  quantity({ '': 1 }, `${least}`, `${most}`, `a whole number from ${least} to ${most}`)

/** A number that the server works out at the start unless it is given. */
export const wholeOrAuto = (least: number, most: number) =>
  v.pipe(
    v.union([v.literal('auto'), whole(least, most)]),
    v.description(`auto, or a whole number from ${least} to ${most}`),
  )

/** A number, or no limit. */
export const wholeOrOff = (least: number, most: number) =>
  v.pipe(
    v.union([v.literal('off'), whole(least, most)]),
    v.description(`off, or a whole number from ${least} to ${most}`),
  )

/** One of a few words. */
export const word = <const Words extends readonly string[]>(...words: Words) =>
  v.pipe(v.picklist(words), v.description(`${words.slice(0, -1).join(', ')} or ${words.at(-1)}`))

/** Texts separated by commas, or an array of them; each is read by `element`. */
export const list = (element: v.GenericSchema<string, string>, description: string) =>
  v.pipe(
    v.union([v.array(v.string()), fromText((text) => text.split(','))]),
    v.array(v.pipe(v.string(), v.trim(), element)),
    v.maxLength(100),
    v.transform((items): readonly string[] => Object.freeze([...new Set(items)])),
    v.description(description),
  )

/**
 * A text that is never printed: neither in an error, nor in the help, nor in the log. The variable with `_FILE` behind
 * its name gives the path of a file that has it.
 */
export const secret = (pattern: RegExp, description: string) =>
  v.pipe(
    v.nullable(v.pipe(v.string(), v.trim(), v.maxLength(8_192), v.regex(pattern))),
    v.description(description),
    v.metadata({ isSecret: true }),
  )

/** A text, or null where there is none. */
const textOrNone = (pattern: RegExp, most: number, description: string) =>
  v.pipe(
    v.nullable(v.pipe(v.string(), v.trim(), v.maxLength(most), v.regex(pattern))),
    v.description(description),
  )

/** A word without white space, such as an issuer, or null. */
export const wordOrNone = textOrNone(/^[!-~]+$/, 500, 'up to 500 characters without spaces')

/** The URL of a server to ask, or null. */
export const urlOrNone = v.pipe(
  textOrNone(/^https?:\/\/[^\s@]+$/, 2_000, 'a URL of http or https, without a user name'),
  v.check((text) => text === null || URL.canParse(text)),
)

export const host = v.pipe(
  v.string(),
  v.maxLength(253),
  v.check((text) => (/^[\d.]+$/.test(text) ? isIPv4(text) : isIP(text) !== 0 || /^\w[\w.-]*$/.test(text))),
  v.description('a host name or an IP address, without a port'),
)

const POSTGRES = /^postgres(ql)?:\/\/[!-~]+$/

/** SQLite's file in the data folder, or the URL of a PostgreSQL. The URL has a password, and is never printed. */
export const database = v.pipe(
  v.string(),
  v.trim(),
  v.maxLength(2_000),
  v.check(
    (text) =>
      text === 'sqlite' || (POSTGRES.test(text) && URL.canParse(text) && new URL(text).pathname.length > 1),
  ),
  v.description('sqlite, or a URL such as postgres://user:password@host:5432/database'),
  v.metadata({ isSecret: true }),
)

/** Files in the data folder, or a bucket with a prefix. */
export const storage = v.pipe(
  v.string(),
  v.maxLength(1_000),
  v.check((text) => text === 'files' || s3PlaceOf(text) !== undefined),
  v.description('files, or a bucket and a prefix such as s3://bucket/uploads, of letters, digits and . _ -'),
)

const RESERVED = new Set(['api', 'healthz', 'readyz', 'metrics', 'page', 'drop'])

export const basePath = v.pipe(
  v.string(),
  v.maxLength(200),
  v.transform((text) => `/${text.replace(/^\/|\/$/g, '')}`),
  v.regex(/^(\/[\w.~-]+)+$/),
  v.check((path) => !path.split('/').some((segment) => segment === '.' || segment === '..')),
  v.check((path) => !RESERVED.has(path.split('/')[1] ?? '')),
  v.description(
    'a path such as /files, made of letters, digits and . _ ~ - between slashes; neither / itself ' +
      'nor below /api, /healthz, /readyz, /metrics, /page or /drop',
  ),
)

export const dataDir = v.pipe(
  v.string(),
  v.regex(/^(?=.*\S)[^\0\n\r]{1,4096}$/),
  v.description('the path of a folder'),
)

export const accept = list(
  v.pipe(
    v.string(),
    v.toLowerCase(),
    v.regex(/^(\*\/\*|[a-z0-9][\w!#$&^.+-]*\/(\*|[a-z0-9][\w!#$&^.+-]*))$/),
  ),
  'types and patterns separated by commas, such as image/*,application/pdf',
)

const origin = v.pipe(
  v.string(),
  v.regex(/^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/\\?#@*]+\/?)$/i),
  v.check((text) => text === '*' || URL.canParse(text)),
  v.transform((text) => (text === '*' ? text : `${new URL(text).protocol}//${new URL(text).host}`)),
)

export const corsOrigins = v.pipe(
  list(origin, '* alone, or origins separated by commas, such as https://app.example,http://localhost:3000'),
  v.check((origins) => origins.length === 1 || !origins.includes('*')),
)

/** Names of headers, each a token of HTTP (RFC 9110, section 5.1). */
export const headerNames = list(
  v.pipe(v.string(), v.regex(/^[\w!#$%&'+.^`|~-]{1,100}$/)),
  'names of headers separated by commas, such as X-Api-Key,X-Trace',
)

const ON = ['on', 'true', '1']

/** The values of a switch, which is a setting whose flag may stand alone. */
export const SWITCH_WORDS = [...ON, 'off', 'false', '0'] as const

export const onOff = v.pipe(
  v.union([
    v.boolean(),
    v.pipe(
      v.picklist(SWITCH_WORDS),
      v.transform((text) => ON.includes(text)),
    ),
  ]),
  v.description('on, true, 1, off, false or 0'),
)

/** A schema with its place in the help; `shown` is the default in words, where the value alone is not clear. */
export const setting = <S extends v.GenericSchema>(
  flag: string,
  standard: v.InferInput<S>,
  meaning: string,
  schema: S,
  shown = String(standard),
) => v.pipe(schema, v.metadata({ flag, standard, meaning, shown, isSwitch: Object.is(schema, onOff) }))
