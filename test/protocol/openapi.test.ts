import { Ajv2020 } from 'ajv/dist/2020.js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Api } from '../../server/http/api.js'
import { openApi } from '../../server/http/openapi/document.js'
import { startApp, type TestApp } from '../helpers/app-place.js'
import { askOf } from '../helpers/routes.js'
import { idOf, locationOf, type TestAnswer } from '../helpers/server.js'
import { ADMIN_KEY, AS_ADMIN, as, bearer, SECRET } from '../helpers/tokens.js'
import { never } from '../helpers/upload-fakes.js'
import { OFFSET_TYPE } from '../helpers/wire.js'

const test = suite('openapi')

interface Answered {
  readonly content?: Readonly<Record<string, { readonly schema: object }>>
}
interface Document {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { responses: Readonly<Record<string, Answered>> }>>>
  >
  readonly components: { readonly schemas: object }
}

let app: TestApp
let document: Document
let id: string
const ask = askOf(() => app.origin)

test.before(async () => {
  app = await startApp({ adminKey: ADMIN_KEY, authSecret: SECRET })
  document = JSON.parse((await ask('GET', '/api/openapi.json', AS_ADMIN)).text)
  const headers = { ...(await as('ann')), 'Content-Type': OFFSET_TYPE, 'Upload-Length': 5 }
  id = idOf(locationOf(await ask('POST', '/files', headers, 'hello')))
})
test.after(() => app.close())

/** Fails where the document does not have an answer of this status and body at this operation. */
function check(method: string, path: string, { status, headers, text }: TestAnswer): void {
  const where = `${method} ${path} ${status} ${text.slice(0, 200)}`
  const answered = document.paths[path]?.[method.toLowerCase()]?.responses[status]
  assert.ok(answered, `not documented: ${where}`)
  if (!answered.content) {
    assert.is(text, '', where)
    return
  }
  const type = String(headers['content-type']).split(';', 1)[0] ?? ''
  const { schema } = answered.content[type] ?? {}
  assert.ok(schema, `${type} is not documented: ${where}`)
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  const isValid = ajv.validate(
    { ...schema, components: document.components },
    type === 'application/json' ? JSON.parse(text) : text,
  )
  assert.ok(isValid, `${where}: ${ajv.errorsText()}`)
}

test('"OpenAPI 3.1 of everything beside tus": every route of the router is in it, and no other', () => {
  const parts = {
    findUpload: never,
    removeUpload: never,
    status: async () => ({}),
    notReady: never,
    deliveries: null,
  }
  const api = new Api({
    ...{ ...parts, metrics: null, log: { error: () => {} }, issuer: { grant: never, link: never } },
    ...{ uploads: { page: never, count: never }, events: { serve: never } },
  })
  const routes = api.routes.flatMap(({ path, methods }) => methods.map((method) => `${method} ${path}`))
  const documented = Object.entries(document.paths).flatMap(([path, methods]) => {
    return Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
  })
  assert.equal(documented.sort(), routes.sort())
  assert.equal(document, JSON.parse(JSON.stringify(openApi())))
  assert.is(api.find('/api/openapi-json'), undefined)
})

test('"a test checks real answers against it", with a key', async () => {
  const cases: ReadonlyArray<[method: string, path: string, target: string, body?: string]> = [
    ['GET', '/api/uploads', '/api/uploads?total=true'],
    ['GET', '/api/uploads', '/api/uploads?limit=0'],
    ['GET', '/api/uploads/{id}', `/api/uploads/${id}`],
    ['GET', '/api/uploads/{id}', '/api/uploads/none'],
    ['POST', '/api/uploads/{id}/links', `/api/uploads/${id}/links`, '{}'],
    ['POST', '/api/uploads/{id}/links', `/api/uploads/${id}/links`, '[]'],
    ['POST', '/api/uploads/{id}/links', '/api/uploads/none/links', '{}'],
    ['GET', '/api/events', '/api/events?id=%2F'],
    ['GET', '/api/status', '/api/status'],
    ['POST', '/api/grants', '/api/grants', '{"count":1}'],
    ['POST', '/api/grants', '/api/grants', '{"count":0}'],
    ['GET', '/api/deliveries', '/api/deliveries'],
    ['GET', '/api/deliveries', '/api/deliveries?state=none'],
    ['POST', '/api/deliveries/{id}/resend', '/api/deliveries/none/resend', ''],
    ['GET', '/api/openapi.json', '/api/openapi.json'],
    ['GET', '/metrics', '/metrics'],
    ['GET', '/healthz', '/healthz'],
    ['GET', '/readyz', '/readyz'],
    ['DELETE', '/api/uploads/{id}', `/api/uploads/${id}`],
    ['DELETE', '/api/uploads/{id}', `/api/uploads/${id}`],
  ]
  for (const [method, path, target, body] of cases)
    check(method, path, await ask(method, target, AS_ADMIN, body))
})

test('"a test checks real answers against it", without a key and with a wrong one', async () => {
  for (const [path, methods] of Object.entries(document.paths))
    for (const method of Object.keys(methods))
      for (const headers of [{}, bearer('eyJ0.e30.x')]) {
        const answer = await ask(method.toUpperCase(), path.replace('{id}', id), headers)
        check(method, path, answer)
        if (!/z$/.test(path))
          assert.ok([401, 429].includes(answer.status), `${method} ${path} ${answer.status}`)
      }
})

test.run()
