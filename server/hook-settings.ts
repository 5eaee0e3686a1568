import * as v from 'valibot'
import { DECIDING_EVENTS, TELLING_EVENTS } from './model/hook.js'
import { duration, list, onOff, secret, setting, size, whole, word } from './setting-kinds.js'

const TUSD_EVENTS = ['pre-create', 'post-create', 'post-receive', 'post-terminate', 'post-finish'] as const

const modulePath = v.pipe(
  v.nullable(v.pipe(v.string(), v.regex(/^(?=.*\S)[^\0\n\r]{1,4096}$/))),
  v.description('the path of a JavaScript module'),
)

const receiverUrl = v.pipe(
  v.nullable(v.pipe(v.string(), v.maxLength(2_000), v.regex(/^https?:\/\/[^\s@]+$/), v.check(URL.canParse))),
  v.description('a URL of http or https, without a user name'),
)

const events = list(
  v.picklist([...DECIDING_EVENTS, ...TELLING_EVENTS]),
  `events separated by commas, of ${[...DECIDING_EVENTS, ...TELLING_EVENTS].join(', ')}`,
)

const headerNames = list(
  v.pipe(v.string(), v.toLowerCase(), v.regex(/^[!#$%&'*+.^_`|~0-9a-z-]+$/)),
  'names of headers separated by commas',
)

const WEBHOOK_SECRETS = /^whsec_[A-Za-z0-9+/]{32,86}={0,2}([\s,]+whsec_[A-Za-z0-9+/]{32,86}={0,2})*$/

/** The settings of hooks; those with tusd's names have tusd's defaults. */
export const HOOK_SETTINGS = {
  hooksModule: setting(
    'hooks',
    null,
    'a module whose default export has functions to call',
    modulePath,
    'none',
  ),
  hooksTimeoutMs: setting(
    'hooks-timeout',
    '15s',
    'how long a function of the module may take',
    duration('10ms', '10m'),
  ),
  hooksOnFailure: setting(
    'hooks-on-failure',
    'refuse',
    'what happens to a request where a hook that decides fails; refuse: it gets 500',
    word('refuse', 'accept'),
  ),
  hooksHttp: setting('hooks-http', null, "the URL that gets hooks, in tusd's JSON", receiverUrl, 'none'),
  hooksHttpSecret: setting(
    'hooks-http-secret',
    null,
    'signs requests to that URL by Standard Webhooks; several while you change it',
    secret(WEBHOOK_SECRETS, 'whsec_ and the Base64 of 24 to 64 bytes; several with spaces or commas between'),
    'none',
  ),
  hooksEnabledEvents: setting(
    'hooks-enabled-events',
    [...TUSD_EVENTS],
    'the events that the URL gets',
    events,
    TUSD_EVENTS.join(','),
  ),
  hooksHttpForwardHeaders: setting(
    'hooks-http-forward-headers',
    [],
    "headers of the client that are headers of the request to the URL too; its JSON has all of the client's",
    headerNames,
    'none',
  ),
  hooksHttpRetry: setting(
    'hooks-http-retry',
    3,
    'how often a hook that decides is sent again, where the URL does not answer or answers 5xx',
    whole(0, 100),
  ),
  hooksHttpBackoffMs: setting('hooks-http-backoff', '1s', 'the pause before that', duration('0s', '1m')),
  hooksHttpTimeoutMs: setting(
    'hooks-http-timeout',
    '15s',
    'how long all tries of a hook that decides may take, and each try of another',
    duration('10ms', '10m'),
  ),
  hooksHttpSizeLimit: setting(
    'hooks-http-size-limit',
    '5KiB',
    'the longest answer of the URL that is read',
    size('1B', '1MiB'),
  ),
  hooksHttpPass4xx: setting(
    'hooks-http-pass-4xx',
    'on',
    'a 4xx of the URL is the answer to the client; off: it is a failure',
    onOff,
  ),
  progressHooksIntervalMs: setting(
    'progress-hooks-interval',
    '1s',
    'the shortest time between two post-receive hooks of an upload',
    duration('10ms', '1h'),
  ),
  idForm: setting(
    'id-form',
    'dashed',
    'the form of new ids; hex: without the dash, for receivers that take only hexadecimal digits',
    word('dashed', 'hex'),
  ),
}
