import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { Answer } from '../../server/model/answer.js'
import type { Arrival } from '../../server/model/arrival.js'
import type { Body, BodyEnd } from '../../server/model/body.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import type { UploadMethod, UploadRequest } from '../../server/model/request.js'
import { FrontDoor, type FrontDoorOptions } from '../../server/tus/front-door.js'
import { fakeRequest } from '../helpers/fake-exchange.js'
import { viewOf } from '../helpers/upload-view.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const ID = 'an-id'
const BODY = { 'content-type': OFFSET_TYPE, 'content-length': '5' }
const CREATION = { 'upload-length': '5' }
const PATCH = { ...BODY, 'upload-offset': '0' }

type Handle = (request: UploadRequest) => Promise<void>

/** A front door among fakes, and what happened, in order. */
function setUp(handle: Handle = async () => {}, changes: Partial<FrontDoorOptions> = {}) {
  const events: string[] = []
  const lines: object[] = []
  const log = { info: (fields: object) => lines.push(fields), error: (fields: object) => lines.push(fields) }
  const giveBack = (): void => void events.push('slot given back')
  const front = new FrontDoor({
    ...{ basePath: '/files', maxSizeBytes: 1000, extensions: ['creation'], digestBytes: { sha1: 20 } },
    ...{ hooks: null, disableDownload: false },
    expiresAtMs: () => 0,
    dayBytes: { reserve: () => () => {} },
    slots: {
      tryTake: () => {
        events.push('slot taken')
        return giveBack
      },
      take: () => Promise.reject(new UploadError('slots_full')),
    },
    protocol: {
      handle: async (request) => {
        events.push(`handled ${request.method}`)
        await handle(request)
        return { status: 204, headers: new Headers({ 'upload-offset': '5' }) }
      },
    },
    interrupt: async ({ id }) => void events.push(`interrupted ${id}`),
    mayInterrupt: () => true,
    makeBody: () => fakeBody(events),
    createId: () => 'new-id',
    isUploadId: () => true,
    ...{ log, refusals: log, monotonic: () => 0 },
    ...changes,
  })
  return { front, events, lines }
}

function fakeBody(events: string[]): Body {
  return {
    isStopped: false,
    drain: async (): Promise<BodyEnd> => 'complete',
    stop: (reason) => void events.push(`body stopped: ${reason}`),
  }
}

function arrival(
  method: UploadMethod,
  headers: Record<string, string>,
  changes: Partial<Arrival> = {},
): Arrival {
  return {
    request: fakeRequest(method, '/files', { 'tus-resumable': '1.0.0', ...headers }),
    method,
    id: method === 'POST' ? undefined : ID,
    principal: ANONYMOUS,
    origin: 'http://lading.test',
    client: '127.0.0.1',
    askForBody: () => {},
    readAway: async () => 0,
    gone: () => new AbortController().signal,
    ...changes,
  }
}

/** The code of the refusal; of an answer its status, and `cut` where there is none. */
async function endOf(served: Promise<Answer | null>): Promise<string | number> {
  try {
    return (await served)?.status ?? 'cut'
  } catch (error) {
    return error instanceof UploadError ? error.code : String(error)
  }
}

test('a PATCH ends what runs on its upload, takes a slot, is handled, and gives the slot back', async () => {
  const { front, events } = setUp()
  assert.is(await endOf(front.serve(arrival('PATCH', PATCH))), 204)
  assert.equal(events, [`interrupted ${ID}`, 'slot taken', 'handled PATCH', 'slot given back'])
})

test('a slot is given back also where @tus/server refuses the request', async () => {
  const { front, events } = setUp(() => Promise.reject(new UploadError('offset_conflict')))
  assert.is(await endOf(front.serve(arrival('PATCH', PATCH))), 'offset_conflict')
  assert.is(events.at(-1), 'slot given back')
})

test('a request without a body needs no slot', async () => {
  const { front, events } = setUp()
  for (const [method, headers] of [
    ['POST', CREATION],
    ['HEAD', {}],
    ['DELETE', {}],
  ] as const)
    await endOf(front.serve(arrival(method, headers)))
  assert.equal(events, ['handled POST', 'handled HEAD', 'handled DELETE'])
})

test('a request that may not know of a running upload gets no share of its slot', async () => {
  const interrupt = () => Promise.reject(new UploadError('upload_unknown'))
  const tryTake = (id: string) => (id === ID ? () => {} : undefined)
  const slots = { tryTake, take: () => Promise.reject(new UploadError('slots_full')) }
  const { front } = setUp(undefined, { interrupt, slots })
  assert.is(await endOf(front.serve(arrival('PATCH', PATCH))), 'slots_full')
})

test('a sender that leaves the queue for a slot is not refused: it gets no answer, and the log says so', async () => {
  const slots = { tryTake: () => undefined, take: async () => null }
  const { front, events, lines } = setUp(undefined, { slots })
  assert.is(await endOf(front.serve(arrival('PATCH', PATCH))), 'cut')
  assert.equal(events, [`interrupted ${ID}`])
  assert.equal(lines, [
    {
      id: ID,
      method: 'PATCH',
      status: 0,
      offset: undefined,
      length: undefined,
      sha256: undefined,
      end: 'cut',
      ms: 0,
    },
  ])
})

test('a sender that fell silent gets no answer, because clients give up at a 4xx and resume after a cut', async () => {
  for (const end of ['idle', 'slow'] as const) {
    const { front } = setUp(async (request) => {
      request.bodyEnd = end
    })
    assert.is(await endOf(front.serve(arrival('PATCH', PATCH))), 'cut')
  }
})

test('a HEAD that fails on the server gets 423, because a client that sees HEAD fail begins again at byte 0', async () => {
  const { front, lines } = setUp(() => Promise.reject(new UploadError('internal')))
  assert.is(await endOf(front.serve(arrival('HEAD', {}))), 'upload_locked')
  assert.is(lines.length, 1, 'a fault is worth a line')
  const other = setUp(() => Promise.reject(new UploadError('upload_unknown')))
  assert.is(await endOf(other.front.serve(arrival('HEAD', {}))), 'upload_unknown')
  assert.is(other.lines.length, 0, 'a HEAD that finds nothing is not')
})

test('close() ends the bodies that are being received and refuses new ones, but HEAD and DELETE are served', async () => {
  let end = (): void => {}
  const handling = new Promise<void>((resolve) => {
    end = resolve
  })
  const { front, events } = setUp((request) => (request.body ? handling : Promise.resolve()))
  const running = endOf(front.serve(arrival('POST', { ...CREATION, ...BODY })))
  front.close()
  assert.equal(events.at(-1), 'body stopped: shutting_down')
  assert.is(await endOf(front.serve(arrival('PATCH', PATCH))), 'shutting_down')
  assert.is(await endOf(front.serve(arrival('POST', CREATION))), 'shutting_down')
  assert.is(await endOf(front.serve(arrival('HEAD', {}))), 204)
  assert.is(await endOf(front.serve(arrival('DELETE', {}))), 204)
  end()
  assert.is(await running, 204)
})

test('a body whose slot comes free while the server closes is ended at once', async () => {
  let grant = (): void => {}
  const slot = new Promise<() => void>((resolve) => {
    grant = () => resolve(() => {})
  })
  const { front, events } = setUp(undefined, { slots: { tryTake: () => undefined, take: () => slot } })
  const served = endOf(front.serve(arrival('PATCH', PATCH)))
  front.close()
  grant()
  await served
  assert.equal(events, [`interrupted ${ID}`, 'body stopped: shutting_down', 'handled PATCH'])
})

test('a body that is none of its upload is read away up to 64 KiB, after the sender was asked for it', async () => {
  const form = { ...CREATION, 'content-type': 'text/plain', 'transfer-encoding': 'chunked' }
  const asks: string[] = []
  const ask = { askForBody: () => void asks.push('100') }
  const { front, events } = setUp()
  assert.is(await endOf(front.serve(arrival('POST', form, { ...ask, readAway: async () => 65_536 }))), 204)
  const long = arrival('POST', form, { ...ask, readAway: async (most) => most + 1 })
  assert.is(await endOf(front.serve(long)), 'content_type_wrong')
  assert.is(await endOf(front.serve(arrival('POST', form, { ...ask, readAway: async () => null }))), 'cut')
  assert.is(asks.length, 3)
  assert.equal(events, ['handled POST'])
})

test('the chunks of a final upload must have no byte', async () => {
  const final = {
    'upload-concat': 'final;/files/a',
    'content-type': OFFSET_TYPE,
    'transfer-encoding': 'chunked',
  }
  const { front } = setUp()
  assert.is(await endOf(front.serve(arrival('POST', final, { readAway: async () => 0 }))), 204)
  assert.is(await endOf(front.serve(arrival('POST', final, { readAway: async () => 1 }))), 'concat_invalid')
})

test('the answer to a final upload waits for its join, but not while the server closes', async () => {
  const joining = new Promise<void>(() => {})
  const sent: string[] = []
  const upload = viewOf({ kind: 'final', joining, markLocationSent: () => void sent.push('address') })
  let goOn = (): void => {}
  const handled = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const { front } = setUp(async (request) => {
    request.upload = upload
    goOn()
  })
  const answered = endOf(front.serve(arrival('POST', { 'upload-concat': 'final;/files/a' })))
  await handled
  assert.equal(sent, [])
  front.close()
  assert.is(await answered, 204)
  assert.equal(sent, ['address'])
})

test('a final upload that is refused while it is joined refuses its creation, and its address is not sent', async () => {
  const sent: string[] = []
  const joining = Promise.reject(new UploadError('type_refused'))
  const upload = viewOf({ kind: 'final', joining, markLocationSent: () => void sent.push('address') })
  const { front } = setUp(async (request) => {
    request.upload = upload
  })
  assert.is(await endOf(front.serve(arrival('POST', { 'upload-concat': 'final;/files/a' }))), 'type_refused')
  assert.equal(sent, [])
})

test('each success has the version, and the answer to a creation has its address', async () => {
  const { front } = setUp(async (request) => {
    request.upload = viewOf({ id: 'new-id' })
  })
  const answer = await front.serve(arrival('POST', { ...CREATION, ...BODY }))
  assert.is(answer?.headers['Tus-Resumable'], '1.0.0')
  assert.is(answer?.headers.Location, 'http://lading.test/files/new-id')
  assert.is(answer?.headers['Upload-Offset'], '5')
})

test('a HEAD may leave the version out; every other request is refused with 412 and Tus-Version', async () => {
  const { front } = setUp()
  const bare = (method: UploadMethod, headers: Record<string, string>): Arrival =>
    arrival(method, headers, { request: fakeRequest(method, '/files', headers) })
  assert.is(await endOf(front.serve(bare('HEAD', {}))), 204)
  for (const [method, headers] of [
    ['POST', CREATION],
    ['PATCH', PATCH],
    ['DELETE', {}],
  ] as const)
    assert.is(await endOf(front.serve(bare(method, headers))), 'version_unsupported')
  assert.is(front.refusalHeaders(new UploadError('version_unsupported'))['Tus-Version'], '1.0.0')
})

test('a checksum that counts as none is logged once, however often it comes', async () => {
  const hex = Buffer.from('a'.repeat(40)).toString('base64')
  const { front, lines } = setUp()
  for (let n = 0; n < 3; n += 1)
    await front.serve(arrival('PATCH', { ...PATCH, 'upload-checksum': `sha1 ${hex}` }))
  assert.is(lines.filter((line) => 'algorithm' in line).length, 1)
})

test.run()
