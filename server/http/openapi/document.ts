import { ERRORS, type ErrorCode } from '../../errors.js'
import { ref, SCHEMAS } from './schemas.js'

type Value = Readonly<Record<string, unknown>>
type SchemaName = keyof typeof SCHEMAS

interface Operation {
  readonly summary: string
  readonly parameters?: readonly Value[]
  readonly body?: SchemaName
  /** The answer that is no error: its status, and what it has. */
  readonly status: number
  readonly answers?: SchemaName | 'text/plain' | 'text/event-stream'
  /** Errors beside those of every address. */
  readonly errors: readonly ErrorCode[]
  readonly isOpen?: true
}

const ADMIN: readonly ErrorCode[] = ['admin_key_needed', 'admin_only', 'too_many_refusals']
const TOKEN: readonly ErrorCode[] = ['token_missing', 'token_invalid', 'token_expired', 'auth_unavailable']
const OWN: readonly ErrorCode[] = [...ADMIN, ...TOKEN]
const HOOK: readonly ErrorCode[] = ['access_rejected', 'hook_failed']
const NO_LINK: readonly ErrorCode[] = ['upload_unknown', 'upload_unfinished', 'downloads_disabled']
const EVERYWHERE: readonly ErrorCode[] = ['request_malformed', 'expectation_unknown', 'internal']

const query = (name: string, description: string, schema: Value = { type: 'string' }): Value => {
  return { name, in: 'query', description, schema }
}
const ID: Value = { name: 'id', in: 'path', required: true, schema: { type: 'string' } }

const LIST_PARAMETERS: readonly Value[] = [
  query('state', 'States, several times or with commas between'),
  query('type', 'Types such as image/png or image/*, several times or with commas between; at most 20'),
  query('owner', 'Who created it'),
  query('q', 'How the name of the file begins, in any case, or the id', { type: 'string', maxLength: 200 }),
  query('after', 'Created then or later: a date such as 2026-11-26, or with a time and Z'),
  query('before', 'Created earlier'),
  query('limit', 'Uploads of a page', { type: 'integer', minimum: 1, maximum: 200, default: 50 }),
  query('cursor', 'The cursor of the page before'),
  query('total', 'Count all that pass', { type: 'boolean', default: false }),
]

/** Every address beside tus. A test compares it with the table of the API, and its schemas with real answers. */
const OPERATIONS: Readonly<Record<string, Readonly<Record<string, Operation>>>> = {
  '/api/uploads': {
    get: {
      summary: 'Uploads, newest first; of a token those of its owner',
      parameters: LIST_PARAMETERS,
      ...{ status: 200, answers: 'UploadPage', errors: [...OWN, 'query_invalid', 'index_unavailable'] },
    },
  },
  '/api/uploads/{id}': {
    get: {
      summary: 'One upload, with its progress',
      parameters: [ID],
      ...{ status: 200, answers: 'Upload', errors: [...TOKEN, ...HOOK, 'upload_unknown'] },
    },
    delete: {
      summary: 'Removes an upload, finished or not; its links end with it',
      parameters: [ID],
      status: 204,
      errors: [...OWN, ...HOOK, 'upload_unknown', 'upload_locked', 'termination_rejected'],
    },
  },
  '/api/uploads/{id}/links': {
    post: {
      summary: 'A link to a finished upload, which needs no token',
      parameters: [ID],
      ...{ body: 'AskedLink', status: 201, answers: 'Link' },
      errors: [...TOKEN, ...HOOK, 'body_invalid', ...NO_LINK, 'storage_unavailable'],
    },
  },
  '/api/events': {
    get: {
      summary:
        'Server-sent events: created, progress, finished, refused, expired, terminated, each with an Upload; reset',
      parameters: [
        query('id', 'The events of one upload'),
        query('lastEventId', 'For clients that cannot send Last-Event-ID'),
        { name: 'Last-Event-ID', in: 'header', schema: { type: 'string' } },
      ],
      ...{ status: 200, answers: 'text/event-stream' },
      errors: [...OWN, 'query_invalid', 'event_streams_full', 'shutting_down'],
    },
  },
  '/api/status': { get: { summary: 'What happens now', status: 200, answers: 'Status', errors: ADMIN } },
  '/api/grants': {
    post: {
      summary: 'A grant: leave to create uploads within limits',
      ...{ body: 'AskedGrant', status: 201, answers: 'Grant' },
      errors: [...ADMIN, 'body_invalid', 'storage_unavailable'],
    },
  },
  '/api/deliveries': {
    get: {
      summary: 'The events that hooks receive',
      parameters: [
        query('state', 'pending if left out', { enum: ['pending', 'failed', 'done'] }),
        query('afterId', 'The next of the page before'),
        query('limit', 'Deliveries of a page', { type: 'integer', minimum: 1, maximum: 256, default: 64 }),
      ],
      ...{ status: 200, answers: 'DeliveryPage', errors: [...ADMIN, 'query_invalid', 'storage_unavailable'] },
    },
  },
  '/api/deliveries/{id}/resend': {
    post: {
      summary: 'Tries a delivery again at once',
      parameters: [ID],
      ...{ status: 202, answers: 'Delivery', errors: [...ADMIN, 'delivery_unknown', 'storage_unavailable'] },
    },
  },
  '/api/openapi.json': { get: { summary: 'This document', status: 200, answers: 'OpenApi', errors: ADMIN } },
  '/metrics': {
    get: {
      summary: 'Numbers for Prometheus',
      status: 200,
      answers: 'text/plain',
      errors: [...ADMIN, 'not_found'],
    },
  },
  '/healthz': {
    get: { summary: 'The process is alive', status: 200, answers: 'Probe', errors: [], isOpen: true },
  },
  '/readyz': {
    get: {
      summary: 'It can take uploads; 503 where it cannot, with the reason',
      ...{ status: 200, answers: 'Probe', errors: [], isOpen: true },
    },
  },
}

/** The API in OpenAPI 3.1: everything beside tus. */
export function openApi(): object {
  const paths = Object.entries(OPERATIONS).map(([path, methods]) => {
    return [
      path,
      Object.fromEntries(Object.entries(methods).map(([method, each]) => [method, operationOf(each)])),
    ]
  })
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lading beside tus',
      version: '1.0.0',
      description: 'Uploads themselves are sent by tus 1.0.0, which this document does not describe.',
    },
    paths: Object.fromEntries(paths),
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'The admin key or a JSON Web Token',
        },
      },
    },
    security: [{ bearer: [] }],
  }
}

function operationOf({ summary, parameters, body, status, answers, errors, isOpen }: Operation): object {
  const answer = answers === undefined ? {} : { content: contentOf(answers) }
  const notReady = isOpen
    ? { 503: { description: 'It cannot take uploads', content: contentOf('Probe') } }
    : {}
  return {
    summary,
    ...(parameters ? { parameters } : {}),
    ...(body ? { requestBody: { content: contentOf(body) } } : {}),
    responses: {
      [status]: { description: summary, ...answer },
      ...notReady,
      ...refusals([...errors, ...EVERYWHERE]),
    },
    ...(isOpen ? { security: [] } : {}),
  }
}

function contentOf(name: NonNullable<Operation['answers']>): object {
  if (name === 'text/plain' || name === 'text/event-stream') return { [name]: { schema: { type: 'string' } } }
  return { 'application/json': { schema: ref(name) } }
}

/** Each status of an error, and the code words that it may begin with. */
function refusals(codes: readonly ErrorCode[]): object {
  const statuses = new Set(codes.map((code) => ERRORS[code].status))
  return Object.fromEntries(
    [...statuses].map((status) => {
      const words = codes.filter((code) => ERRORS[code].status === status)
      const description = words.map((code) => `${code}: ${ERRORS[code].text}`).join('. ')
      const schema = { type: 'string', pattern: `^(${words.join('|')}): ` }
      return [status, { description, content: { 'text/plain': { schema } } }]
    }),
  )
}
