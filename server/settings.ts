import { isIP, isIPv4 } from 'node:net'
import * as v from 'valibot'

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

/** A number that the server works out at the start unless it is given. */
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
    'a path such as /files, made of letters, digits and . _ ~ - between slashes; neither / itself ' +
      'nor below /api, /healthz, /readyz or /metrics',
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
  'types and patterns separated by commas, such as image/*,application/pdf',
)

const origin = v.pipe(
  v.string(),
  v.regex(/^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/\\?#@*]+\/?)$/i),
  v.check((text) => text === '*' || URL.canParse(text)),
  v.transform((text) => (text === '*' ? text : `${new URL(text).protocol}//${new URL(text).host}`)),
)

const corsOrigins = v.pipe(
  list(origin, '* alone, or origins separated by commas, such as https://app.example,http://localhost:3000'),
  v.check((origins) => origins.length === 1 || !origins.includes('*')),
)

const ON = ['on', 'true', '1']

/** The values of a switch, which is a setting whose flag may stand alone. */
export const SWITCH_WORDS = [...ON, 'off', 'false', '0'] as const

const onOff = v.pipe(
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
const setting = <S extends v.GenericSchema>(
  flag: string,
  standard: v.InferInput<S>,
  meaning: string,
  schema: S,
  shown = String(standard),
) => v.pipe(schema, v.metadata({ flag, standard, meaning, shown, isSwitch: Object.is(schema, onOff) }))

/** The one table of settings. The schema, the flags, the variables, `--help` and the README are made from it. */
export const SETTINGS = {
  host: setting('host', '127.0.0.1', 'the address to listen on', host),
  port: setting('port', 1080, 'the port to listen on; 0 takes a free one', whole(0, 65_535)),
  basePath: setting('base-path', '/files', 'the path of the creation URL', basePath),
  dataDir: setting('data-dir', './data', 'the folder for uploads and the database', dataDir),
  slots: setting('slots', 10, 'active uploads at once; the next gets 503', whole(1, 1_000)),
  slotWaitMs: setting(
    'slot-wait',
    '0s',
    'how long a request waits in the queue for a slot, before any of its body is read; then 503',
    duration('0s', '1h'),
  ),
  downloads: setting('downloads', 64, 'downloads at once; the next gets 503', whole(1, 10_000)),
  connections: setting(
    'connections',
    'auto',
    'connections at once; beyond that idle ones are closed first',
    wholeOrAuto(1, 1_000_000),
    'ulimit -n less a reserve for files, at most 1000',
  ),
  keepAliveMs: setting('keep-alive', '75s', 'how long an idle connection stays open', duration('1s', '1h')),
  maxSizeBytes: setting('max-size', '64GiB', 'the largest upload that is accepted', size('1B', '1024TiB')),
  accept: setting(
    'accept',
    [],
    'the only types that are accepted; without a list, all but executables and active content',
    accept,
    'no list',
  ),
  expireAfterMs: setting(
    'expire-after',
    '24h',
    'an unfinished upload is removed after this time without new bytes; one without any bytes after 1h at most',
    duration('10ms', '3650d'),
  ),
  maxUnfinished: setting(
    'max-unfinished',
    100_000,
    'unfinished uploads at once; the next gets 503',
    whole(1, 10_000_000),
  ),
  keepPartialsMs: setting(
    'keep-partials',
    '0s',
    'how long partial uploads are kept after they are joined; 0s removes them at once',
    duration('0s', '3650d'),
  ),
  idleTimeoutMs: setting(
    'idle-timeout',
    '30s',
    'a request ends after this time without bytes: of its body, or of a download that the client does not read',
    duration('10ms', '24h'),
  ),
  minRateBytesPerMinute: setting(
    'min-rate',
    '64KiB',
    'a request that sends fewer bytes than this in a minute is ended; 0 sets no minimum',
    size('0', '1GiB'),
  ),
  durability: setting(
    'durability',
    'finish',
    'when bytes are flushed to the disk: off: never; finish: before each checkpoint and the last answer; request: before every answer',
    word('off', 'finish', 'request'),
  ),
  minFreeBytes: setting(
    'min-free',
    '1GiB',
    'disk space that stays free; an upload that needs it gets 507',
    size('0', '1024TiB'),
  ),
  digestThreads: setting(
    'digest-threads',
    'auto',
    'threads that write and digest; an upload stays with one',
    wholeOrAuto(1, 64),
    'one less than there are cores, 1 to 4',
  ),
  lane: setting(
    'lane',
    'on',
    'read long bodies past the buffers that Node copies them to; off by itself where a self-test at the start fails',
    onOff,
  ),
  behindProxy: setting('behind-proxy', 'off', 'trust the headers Forwarded and X-Forwarded-*', onOff),
  corsOrigins: setting('cors-origin', '*', 'the origins whose web pages may upload', corsOrigins),
  logLevel: setting(
    'log-level',
    'info',
    'the lowest level that is logged',
    word('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
  ),
  logFormat: setting(
    'log-format',
    'json',
    'the format of the log',
    word('pretty', 'json'),
    'pretty on a terminal, json elsewhere',
  ),
}
