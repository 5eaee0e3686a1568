import { isIP, isIPv4 } from 'node:net'
import * as v from 'valibot'

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const BYTES = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** The base units in a text such as `30s` or `10GiB`; NaN, which no schema lets through, if it is none. */
function measure(text: string, units: Readonly<Record<string, number>>): number {
  const [, count = 'none', unit = ''] = /^(\d{1,16})([a-zA-Z]*)$/.exec(text) ?? []
  return Number(count) * (units[unit] ?? Number.NaN)
}

// Every schema takes the text of a flag or variable, and as well the value that a program gives to
// `defaultConfig`. Its description ends the sentence "… must be".

const fromText = <T>(read: (text: string) => T) => v.pipe(v.string(), v.transform(read))

const quantity = (units: Record<string, number>, least: string, most: string, description: string) =>
  v.pipe(
    v.union([v.number(), fromText((text) => measure(text, units))]),
    v.safeInteger(),
    v.minValue(measure(least, units)),
    v.maxValue(measure(most, units)),
    v.description(description),
  )

const duration = (least: string, most: string) =>
  quantity(
    MILLISECONDS,
    least,
    most,
    `a duration from ${least} to ${most}, such as 250ms, 30s, 5m, 24h or 7d`,
  )

const size = (least: string, most: string) =>
  quantity(BYTES, least, most, `a size from ${least} to ${most}, such as 512, 512KiB, 1MiB, 10GiB or 2TiB`)

const whole = (least: number, most: number) =>
  quantity({ '': 1 }, `${least}`, `${most}`, `a whole number from ${least} to ${most}`)

/** A number that is found out at the start where it is not given. */
const wholeOrAuto = (least: number, most: number) =>
  v.pipe(
    v.union([v.literal('auto'), whole(least, most)]),
    v.description(`auto, or a whole number from ${least} to ${most}`),
  )

const word = <const Words extends readonly string[]>(...words: Words) =>
  v.pipe(v.picklist(words), v.description(`${words.slice(0, -1).join(', ')} or ${words.at(-1)}`))

const list = (element: v.GenericSchema<string, string>, description: string) =>
  v.pipe(
    v.union([v.array(v.string()), fromText((text) => text.split(','))]),
    v.array(v.pipe(v.string(), v.trim(), element)),
    v.maxLength(100),
    v.transform((items): readonly string[] => Object.freeze([...new Set(items)])),
    v.description(description),
  )

const host = v.pipe(
  v.string(),
  v.maxLength(253),
  v.check((text) => (/^[\d.]+$/.test(text) ? isIPv4(text) : isIP(text) !== 0 || /^\w[\w.-]*$/.test(text))),
  v.description('a host name or an IP address, without a port'),
)

const RESERVED = new Set(['api', 'healthz', 'readyz', 'metrics'])

const basePath = v.pipe(
  v.string(),
  v.maxLength(200),
  v.transform((text) => `/${text.replace(/^\/|\/$/g, '')}`),
  v.regex(/^(\/[\w.~-]+)+$/),
  v.check((path) => !path.split('/').some((segment) => segment === '.' || segment === '..')),
  v.check((path) => !RESERVED.has(path.split('/')[1] ?? '')),
  v.description(
    'a path such as /files, of letters, digits and . _ ~ - between its slashes, and not / itself ' +
      'nor under /api, /healthz, /readyz or /metrics',
  ),
)

const dataDir = v.pipe(
  v.string(),
  v.regex(/^(?=.*\S)[^\0\n\r]{1,4096}$/),
  v.description('the path of a folder'),
)

const accept = list(
  v.pipe(
    v.string(),
    v.toLowerCase(),
    v.regex(/^(\*\/\*|[a-z0-9][\w!#$&^.+-]*\/(\*|[a-z0-9][\w!#$&^.+-]*))$/),
  ),
  'type patterns between commas, such as image/*,application/pdf',
)

const origin = v.pipe(
  v.string(),
  v.regex(/^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/\\?#@*]+\/?)$/i),
  v.check((text) => text === '*' || URL.canParse(text)),
  v.transform((text) => (text === '*' ? text : `${new URL(text).protocol}//${new URL(text).host}`)),
)

const corsOrigins = v.pipe(
  list(origin, '* alone, or origins between commas, such as https://app.example,http://localhost:3000'),
  v.check((origins) => origins.length === 1 || !origins.includes('*')),
)

const yes = v.pipe(
  v.union([
    v.boolean(),
    v.pipe(
      v.picklist(['on', 'true', '1', 'off', 'false', '0']),
      v.transform((text) => ['on', 'true', '1'].includes(text)),
    ),
  ]),
  v.description('on, true, 1, off, false or 0'),
)

/** A schema with its place in the help: `shown` is the default in words where the value says too little. */
const setting = <S extends v.GenericSchema>(
  flag: string,
  standard: v.InferInput<S>,
  meaning: string,
  schema: S,
  shown = String(standard),
) => v.pipe(schema, v.metadata({ flag, standard, meaning, shown }))

/** The one table of settings: the schema, the flags, the variables, the help and the README come from here. */
export const SETTINGS = {
  host: setting('host', '127.0.0.1', 'where to listen', host),
  port: setting('port', 1080, 'where to listen; 0 takes a free port', whole(0, 65_535)),
  basePath: setting('base-path', '/files', 'the creation URL', basePath),
  dataDir: setting('data-dir', './data', 'everything that is kept', dataDir),
  slots: setting('slots', 10, 'active uploads at once', whole(1, 1_000)),
  slotWaitMs: setting(
    'slot-wait',
    '0s',
    'how long a request may wait, unread and in order, for a slot before 503',
    duration('0s', '1h'),
  ),
  downloads: setting('downloads', 64, 'downloads at once; the next gets 503', whole(1, 10_000)),
  connections: setting(
    'connections',
    'auto',
    'connections at once',
    wholeOrAuto(1, 1_000_000),
    'ulimit -n less a reserve for files, 1000 at most',
  ),
  keepAliveMs: setting('keep-alive', '75s', 'how long an idle connection is kept', duration('1s', '1h')),
  maxSizeBytes: setting('max-size', '64GiB', 'largest upload', size('1B', '1024TiB')),
  accept: setting(
    'accept',
    [],
    'the only types that may come in; without a list, all but executables and active content',
    accept,
    'no list',
  ),
  expireAfterMs: setting(
    'expire-after',
    '24h',
    'an unfinished upload that got no bytes for so long is removed; one that never got a byte, after 1h at the latest',
    duration('10ms', '3650d'),
  ),
  maxUnfinished: setting(
    'max-unfinished',
    100_000,
    'unfinished uploads at once; 503 beyond',
    whole(1, 10_000_000),
  ),
  keepPartialsMs: setting(
    'keep-partials',
    '0s',
    'how long partial uploads are kept once they have been joined; 0s removes them at once',
    duration('0s', '3650d'),
  ),
  idleTimeoutMs: setting(
    'idle-timeout',
    '30s',
    'no bytes for so long, or no reading of a download, ends the request',
    duration('10ms', '24h'),
  ),
  minRateBytesPerMinute: setting(
    'min-rate',
    '64KiB',
    'a request that brings fewer bytes within a minute is ended; 0 asks for no rate',
    size('0', '1GiB'),
  ),
  durability: setting(
    'durability',
    'finish',
    'when bytes are flushed to the disk: never, before a checkpoint and the last answer, or before every answer',
    word('off', 'finish', 'request'),
  ),
  minFreeBytes: setting('min-free', '1GiB', 'free disk below which uploads get 507', size('0', '1024TiB')),
  behindProxy: setting('behind-proxy', 'off', 'trust Forwarded and X-Forwarded-*', yes),
  corsOrigins: setting('cors-origin', '*', 'origins whose pages may upload', corsOrigins),
  logLevel: setting(
    'log-level',
    'info',
    'the least severe line that is logged',
    word('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  ),
  logFormat: setting(
    'log-format',
    'json',
    'how a line is written',
    word('pretty', 'json'),
    'pretty on a terminal, json elsewhere',
  ),
}
