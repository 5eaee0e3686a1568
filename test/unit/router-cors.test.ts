import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Router } from '../../server/http/router.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import { FakeExchange, fakeRequest } from '../helpers/fake-exchange.js'

const HEADERS = { Vary: 'Accept-Encoding', 'Cross-Origin-Resource-Policy': 'same-origin' }

function unasked(): never {
  throw new Error('asked')
}

/** A router with one page, whose answer has headers of its own. */
function routerFor(corsOrigins: readonly string[]): Router {
  const serve = async () => ({ status: 200, headers: HEADERS })
  return new Router({
    ...{ basePath: '/files', disableDownload: false, behindProxy: false, hooks: null },
    ...{ corsOrigins, corsAllowHeaders: [], corsAllowCredentials: false },
    isUploadId: () => false,
    identify: () => ANONYMOUS,
    protocol: {
      ...{ headers: {}, optionsHeaders: {}, refusalHeaders: unasked },
      ...{ methodOf: unasked, checkVersion: unasked, serve: unasked },
    },
    downloads: { send: unasked },
    api: { find: unasked },
    page: { find: () => ({ allow: 'GET', uploadId: undefined, serve }) },
  })
}

for (const [corsOrigins, vary] of [
  [['https://a.test'], ['Accept-Encoding', 'Origin']],
  [['*'], ['Accept-Encoding']],
] as const)
  test(`the headers of an answer stay beside those of CORS for ${corsOrigins}: it varies by ${vary}`, async () => {
    const exchange = new FakeExchange(fakeRequest('GET', '/'))
    await routerFor(corsOrigins).serve(exchange)
    const headers = exchange.sent[0]?.headers
    assert.equal(headers?.Vary?.split(', ').sort(), vary)
    assert.is(headers?.['Cross-Origin-Resource-Policy'], 'same-origin')
  })

test.run()
