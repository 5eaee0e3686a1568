import { STATES_WITH_FILES, STATES_WITHOUT_FILES } from '../../model/record.js'

type Schema = Readonly<Record<string, unknown>>

const STATES = [...STATES_WITH_FILES, ...STATES_WITHOUT_FILES]
const text = { type: 'string' }
const textOrNull = { type: ['string', 'null'] }
const bytes = { type: 'integer', minimum: 0, description: 'Bytes' }
const bytesOrNull = { ...bytes, type: ['integer', 'null'] }
const date = { type: 'string', format: 'date-time', description: 'ISO 8601 in UTC with milliseconds' }
const dateOrNull = { ...date, type: ['string', 'null'] }
const count = { type: 'integer', minimum: 0 }
const number = { type: 'number' }

/** An object that has all of these and nothing else. */
function all(properties: Schema): Schema {
  return { type: 'object', required: Object.keys(properties), properties, additionalProperties: false }
}

/** A reference to one of SCHEMAS. */
export function ref(name: keyof typeof SCHEMAS): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

const limited = all({ taken: count, limit: count })

const delivery = all({
  id: text,
  endpoint: text,
  event: text,
  uploadId: text,
  state: { enum: ['pending', 'failed', 'done'] },
  attempts: count,
  createdAt: date,
  nextAttemptAt: dateOrNull,
  deliveredAt: dateOrNull,
  lastError: textOrNull,
})

const active = all({
  id: text,
  filename: textOrNull,
  type: textOrNull,
  offset: bytes,
  length: bytesOrNull,
  bytesPerSecond: number,
})

const node = all({
  name: text,
  startedAt: date,
  leaseMs: {
    type: 'integer',
    description: 'How long its lease still lasts, in milliseconds; below 0 where it is over',
  },
  locks: { ...count, description: 'Uploads that it writes' },
  slots: { ...count, description: 'Slots of all nodes together that it has' },
})

const cluster = {
  ...all({
    name: { ...text, description: 'This node' },
    isMember: { type: 'boolean', description: 'This node has a lease: it may write uploads' },
    nodes: { type: ['array', 'null'], items: node, description: 'Null while the database does not answer' },
    slots: {
      ...all({ taken: { ...count, type: ['integer', 'null'] }, limit: count }),
      type: ['object', 'null'],
      description: 'Of all nodes together; null without --cluster-slots',
    },
    active: { type: 'array', items: active, description: 'The uploads that other nodes receive' },
  }),
  description: 'With --storage s3://…: the nodes that serve the same uploads',
}

/** What the answers have. */
export const SCHEMAS = {
  Upload: all({
    id: text,
    state: { enum: STATES },
    filename: textOrNull,
    type: { ...textOrNull, description: 'The type that the first bytes show; null before it is decided' },
    declaredType: textOrNull,
    length: { ...bytesOrNull, description: 'Null while it is deferred' },
    offset: bytes,
    sha256: { type: ['string', 'null'], pattern: '^[0-9a-f]{64}$', description: 'Null until it is finished' },
    metadata: { ...textOrNull, description: 'Upload-Metadata as it was sent' },
    path: text,
    createdAt: date,
    updatedAt: date,
    finishedAt: dateOrNull,
    reason: { ...textOrNull, description: 'Why it was refused, expired or terminated' },
    concat: { enum: ['partial', 'final', null] },
    joinedInto: textOrNull,
    owner: textOrNull,
    grantId: textOrNull,
    bytesPerSecond: number,
  }),
  UploadPage: {
    type: 'object',
    required: ['uploads', 'cursor'],
    properties: {
      uploads: { type: 'array', maxItems: 200, items: { $ref: '#/components/schemas/Upload' } },
      cursor: {
        ...textOrNull,
        description: 'Of the next page, also where this one is short; null at the end',
      },
      total: { ...count, description: 'Only with total=true' },
    },
    additionalProperties: false,
  },
  Status: {
    type: 'object',
    required: [
      'version',
      'uptimeSeconds',
      'connections',
      'slots',
      'active',
      'downloads',
      'eventStreams',
      'uploads',
    ],
    properties: {
      version: text,
      uptimeSeconds: count,
      cluster,
      connections: all({ open: count, limit: count }),
      faults: all({ requests: count }),
      slots: all({ taken: count, limit: count, waiting: count }),
      active: { type: 'array', items: active, description: 'The uploads that have slots and receive' },
      downloads: limited,
      eventStreams: limited,
      uploads: all({ unfinished: count, limit: count }),
      records: all({ queued: count, lagMs: number }),
      database: {
        ...all({ kind: { const: 'postgres' }, trouble: { type: ['string', 'null'] } }),
        description: 'With --database postgres://…; trouble is why it is not written now',
      },
      storage: {
        ...all({ kind: { const: 's3' }, place: text }),
        description: 'With --storage s3://…; the disk is then that of the scratch folder',
      },
    },
  },
  Probe: {
    type: 'object',
    required: ['status'],
    properties: { status: { enum: ['ok', 'ready', 'not ready'] }, reason: text },
    additionalProperties: false,
  },
  AskedGrant: {
    type: 'object',
    properties: {
      maxSize: { type: ['integer', 'null'], minimum: 1 },
      accept: { type: ['array', 'null'], items: text, minItems: 1, maxItems: 100 },
      count: { type: ['integer', 'null'], minimum: 1, maximum: 1000 },
      expiresIn: {
        type: 'integer',
        minimum: 1,
        maximum: 31_536_000,
        description: 'Seconds; a day if left out',
      },
      owner: textOrNull,
      metadata: { type: 'object', additionalProperties: text },
    },
    additionalProperties: false,
  },
  Grant: {
    type: 'object',
    required: ['token', 'endpoint', 'expiresAt'],
    properties: {
      token: text,
      endpoint: text,
      dropUrl: { type: 'string', description: 'A page for whoever has this token; not with --no-page' },
      expiresAt: date,
    },
    additionalProperties: false,
  },
  AskedLink: {
    type: 'object',
    properties: {
      expiresIn: {
        type: 'integer',
        minimum: 1,
        maximum: 31_536_000,
        description: 'Seconds; an hour if left out',
      },
    },
    additionalProperties: false,
  },
  Link: all({ url: text, expiresAt: date }),
  Delivery: delivery,
  DeliveryPage: all({
    deliveries: { type: 'array', items: { $ref: '#/components/schemas/Delivery' } },
    next: textOrNull,
  }),
  OpenApi: { type: 'object', required: ['openapi', 'info', 'paths'] },
} as const satisfies Readonly<Record<string, Schema>>
