import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import { Router, type RouterOptions } from '../../server/http/router.js'
import type { Answer } from '../../server/model/answer.js'
import { ANONYMOUS, type Principal } from '../../server/model/principal.js'
import { FakeExchange, fakeRequest } from '../helpers/fake-exchange.js'

const PRINCIPAL: Principal = { ...ANONYMOUS }
const ID = 'an-id'
const OK: Answer = { status: 200, headers: { 'X-Own': 'yes' } }

/** The paths of the API that is a fake, and their methods. */
const ALLOWED: Readonly<Record<string, string>> = {
  '/healthz': 'GET, HEAD, OPTIONS',
  '/readyz': 'GET, HEAD, OPTIONS',
  '/api/status': 'GET, HEAD, OPTIONS',
  '/api/uploads/x': 'GET, HEAD, DELETE, OPTIONS',
  '/api/grants': 'POST, OPTIONS',
}

/** A router among fakes, and what each of them was asked, in order. */
function setUp(changes: Partial<RouterOptions> = {}, serve: () => Promise<Answer | null> = async () => OK) {
  const asked: string[] = []
  const principals: Principal[] = []
  const router = new Router({
    ...{ basePath: '/files', disableDownload: false, behindProxy: false },
    ...{ corsOrigins: ['*'], corsAllowHeaders: [], corsAllowCredentials: false },
    isUploadId: (text) => text === ID,
    identify: () => PRINCIPAL,
    hooks: null,
    protocol: {
      headers: { Tus: '1' },
      optionsHeaders: { Options: '1' },
      refusalHeaders: ({ code }) => ({ Tus: '1', Refused: code }),
      methodOf: ({ method, headers }) => String(headers.override ?? method),
      checkVersion: ({ headers }) => {
        if (headers.version === 'other') throw new UploadError('version_unsupported')
      },
      serve: ({ method, id, principal }) => {
        asked.push(`protocol ${method} ${id}`)
        principals.push(principal)
        return serve()
      },
    },
    downloads: {
      send: async (_exchange, { id, principal }) => {
        asked.push(`download ${id}`)
        principals.push(principal)
      },
    },
    api: {
      find: (path) => {
        const allow = ALLOWED[path]
        if (allow === undefined) return undefined
        return {
          allow,
          uploadId: undefined,
          serve: async (method, { principal }) => {
            asked.push(`api ${method} ${path}`)
            principals.push(principal)
            return OK
          },
        }
      },
    },
    page: null,
    ...changes,
  })
  return { router, asked, principals }
}

async function answerOf(router: Router, exchange: FakeExchange): Promise<Answer> {
  await router.serve(exchange)
  const [answer, ...more] = exchange.sent
  if (!answer || more.length > 0) throw new Error(`${exchange.sent.length} answers`)
  return answer
}

/** Method and target of a request, and what serves it: a fake, or the status of the answer. */
const ROUTES: ReadonlyArray<[method: string, target: string, served: string | number, allow?: string]> = [
  ['POST', '/files', 'protocol POST undefined'],
  ['POST', '/files/', 'protocol POST undefined'],
  ['POST', '/files?name=x', 'protocol POST undefined'],
  ['POST', 'http://lading.test/files', 'protocol POST undefined'],
  ['GET', 'http://lading.test/files/../healthz', 404],
  ['GET', '/files', 405, 'POST, OPTIONS'],
  ['HEAD', `/files/${ID}`, `protocol HEAD ${ID}`],
  ['PATCH', `/files/${ID}`, `protocol PATCH ${ID}`],
  ['DELETE', `/files/${ID}`, `protocol DELETE ${ID}`],
  ['GET', `/files/${ID}`, `download ${ID}`],
  ['POST', `/files/${ID}`, 405, 'GET, HEAD, PATCH, DELETE, OPTIONS'],
  ['GET', '/files/other', 404],
  ['GET', '/filesystem', 404],
  ['GET', '/', 404],
  ['GET', 'no address', 404],
  ['GET', '/healthz', 'api GET /healthz'],
  ['HEAD', '/readyz', 'api HEAD /readyz'],
  ['GET', '/api/anything', 404],
  ['POST', '/api/anything', 404],
  ['OPTIONS', '/api/anything', 204],
  ['POST', '/api/grants', 'api POST /api/grants'],
  ['GET', '/api/grants', 405, 'POST, OPTIONS'],
  ['POST', '/api/status', 405, 'GET, HEAD, OPTIONS'],
  ['DELETE', '/api/uploads/x', 'api DELETE /api/uploads/x'],
]

for (const [method, target, served, allow] of ROUTES) {
  test(`${method} ${target} is served by ${served}`, async () => {
    const { router, asked } = setUp()
    const exchange = new FakeExchange(fakeRequest(method, target))
    await router.serve(exchange)
    assert.equal(asked, typeof served === 'string' ? [served] : [])
    if (typeof served === 'string') return
    assert.is(exchange.sent[0]?.status, served)
    assert.is(exchange.sent[0]?.headers.Allow, allow)
  })
}

test('the gate may take its time, and is asked with the method that counts', async () => {
  const seen: string[] = []
  const { router, principals } = setUp({
    identify: async (_request, { method, path, isUploads }) => {
      seen.push(`${method} ${path} ${isUploads}`)
      return PRINCIPAL
    },
  })
  await router.serve(new FakeExchange(fakeRequest('POST', `/files/${ID}?a=b`, { override: 'PATCH' })))
  await router.serve(new FakeExchange(fakeRequest('GET', '/api/status')))
  assert.equal(seen, [`PATCH /files/${ID} true`, 'GET /api/status false'])
  assert.ok(principals.length === 2 && principals.every((principal) => principal === PRINCIPAL))
})

test('everything that looks up an upload gets the principal of the request', async () => {
  const { router, principals } = setUp()
  const looks = [
    ['POST', '/files'],
    ['HEAD', `/files/${ID}`],
    ['PATCH', `/files/${ID}`],
    ['DELETE', `/files/${ID}`],
    ['GET', `/files/${ID}`],
    ['GET', '/api/uploads/x'],
  ] as const
  for (const [method, target] of looks) await router.serve(new FakeExchange(fakeRequest(method, target)))
  assert.is(principals.length, looks.length)
  assert.ok(principals.every((principal) => principal === PRINCIPAL))
})

test('a request that the gate refuses reaches nothing', async () => {
  const identify = (): never => {
    throw new UploadError('not_found')
  }
  const { router, asked } = setUp({ identify })
  for (const target of ['/files', `/files/${ID}`, '/api/status']) {
    assert.is((await answerOf(router, new FakeExchange(fakeRequest('GET', target)))).status, 404)
  }
  assert.equal(asked, [])
})

test('preflights and probes are answered without asking the gate, because they carry no credentials', async () => {
  const identify = (): never => {
    throw new UploadError('not_found')
  }
  const { router, asked } = setUp({ identify })
  for (const target of ['/files', `/files/${ID}`, '/api/status'])
    assert.is((await answerOf(router, new FakeExchange(fakeRequest('OPTIONS', target)))).status, 204)
  await router.serve(new FakeExchange(fakeRequest('GET', '/healthz')))
  await router.serve(new FakeExchange(fakeRequest('GET', '/readyz')))
  assert.equal(asked, ['api GET /healthz', 'api GET /readyz'])
  const disguised = new FakeExchange(fakeRequest('OPTIONS', `/files/${ID}`, { override: 'DELETE' }))
  assert.is((await answerOf(router, disguised)).status, 404)
})

test('the method that counts is the one the protocol names, at the addresses of uploads alone', async () => {
  const { router, asked } = setUp()
  const override = { override: 'DELETE' }
  await router.serve(new FakeExchange(fakeRequest('POST', `/files/${ID}`, override)))
  await router.serve(new FakeExchange(fakeRequest('GET', '/healthz', override)))
  assert.equal(asked, [`protocol DELETE ${ID}`, 'api GET /healthz'])
})

test('another version is refused also where there is no upload, with the headers of the protocol', async () => {
  const { router } = setUp()
  const answer = await answerOf(
    router,
    new FakeExchange(fakeRequest('GET', '/files/other', { version: 'other' })),
  )
  assert.is(answer.status, 412)
  assert.is(answer.headers.Refused, 'version_unsupported')
})

test('OPTIONS is answered with what the protocol says of itself, for uploads and for the API', async () => {
  const { router, asked } = setUp()
  for (const target of ['/files', `/files/${ID}`, '/api/status']) {
    const answer = await answerOf(router, new FakeExchange(fakeRequest('OPTIONS', target)))
    assert.is(answer.status, 204)
    assert.is(answer.headers.Options, '1')
    assert.is(answer.headers['Access-Control-Max-Age'], '86400')
  }
  assert.equal(asked, [])
})

test('an address that merely begins as those of uploads do is none of them', async () => {
  const { router, asked } = setUp()
  for (const target of [`/files-${ID}`, '/filesystem', `/file/${ID}`]) {
    const answer = await answerOf(router, new FakeExchange(fakeRequest('OPTIONS', target)))
    assert.equal([answer.status, answer.headers.Tus], [404, undefined])
  }
  assert.equal(asked, [])
})

test('every answer has the headers of CORS, and none of the protocol beside its addresses', async () => {
  const { router } = setUp({}, async () => {
    throw new UploadError('slots_full')
  })
  const refused = await answerOf(router, new FakeExchange(fakeRequest('POST', '/files')))
  assert.is(refused.status, 503)
  assert.is(refused.headers['Retry-After'], '5')
  assert.is(refused.headers.Tus, '1')
  assert.is(refused.headers['Access-Control-Allow-Origin'], '*')
  const beside = await answerOf(router, new FakeExchange(fakeRequest('GET', '/nothing')))
  assert.is(beside.headers.Tus, undefined)
  assert.is(beside.headers['Access-Control-Allow-Origin'], '*')
  const served = await answerOf(router, new FakeExchange(fakeRequest('GET', '/healthz')))
  assert.is(served.headers['X-Own'], 'yes')
  assert.is(served.headers['Access-Control-Allow-Origin'], '*')
})

test('a fault of our own is not answered but thrown, for the connection to end and to log it', async () => {
  const fault = new TypeError('a secret path')
  const exchange = new FakeExchange(fakeRequest('POST', '/files'))
  const thrown = await setUp({}, () => Promise.reject(fault))
    .router.serve(exchange)
    .catch((error: unknown) => error)
  assert.is(thrown, fault)
  assert.equal(exchange.sent, [])
})

test('an error of the system has its own status, and no path in its text', async () => {
  const full = Object.assign(new Error('EMFILE: open /a/secret/path'), { code: 'EMFILE' })
  const { router } = setUp({}, () => Promise.reject(full))
  const answer = await answerOf(router, new FakeExchange(fakeRequest('POST', '/files')))
  assert.is(answer.status, 503)
  assert.not.match(answer.text ?? '', 'secret')
})

test('where the protocol has no answer the connection is cut, and a sent download is not answered twice', async () => {
  const cut = new FakeExchange(fakeRequest('PATCH', `/files/${ID}`))
  await setUp({}, async () => null).router.serve(cut)
  assert.ok(cut.isCut)
  assert.equal(cut.sent, [])
  const download = new FakeExchange(fakeRequest('GET', `/files/${ID}`))
  await setUp().router.serve(download)
  assert.not(download.isCut)
  assert.equal(download.sent, [])
})

test('HTTP/1.1 without Host, and an expectation that nobody can meet, are refused before anything is asked', async () => {
  const identify = (): never => {
    throw new Error('asked')
  }
  const { router, asked } = setUp({ identify })
  const bare = Object.assign(fakeRequest('POST', '/files'), { headers: {} })
  assert.is((await answerOf(router, new FakeExchange(bare))).status, 400)
  const unknown = await answerOf(router, new FakeExchange(fakeRequest('POST', '/files'), 'unknown'))
  assert.is(unknown.status, 417)
  assert.is(unknown.headers.Connection, 'close')
  assert.equal(asked, [])
})

test('a refusal closes the connection where the sender still waits for 100 Continue', async () => {
  const { router } = setUp({}, () => Promise.reject(new UploadError('slots_full')))
  const waiting = await answerOf(router, new FakeExchange(fakeRequest('POST', '/files'), 'continue'))
  assert.is(waiting.headers.Connection, 'close')
  const exchange = new FakeExchange(fakeRequest('POST', '/files'), 'continue')
  exchange.askForBody()
  assert.is((await answerOf(router, exchange)).headers.Connection, undefined)
})

test.run()
