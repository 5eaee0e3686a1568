import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Fault } from '../../server/errors.js'
import type { Exchange } from '../../server/http/exchange.js'
import { embeddedPlace as place } from '../helpers/embedded-place.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually } from '../helpers/server.js'
import { bounded } from '../helpers/test.js'

const test = suite('connections of an application')

const WITHIN_MS = 30_000
const OK = { status: 200, headers: {} }

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

/** Answers with the path, and holds the answers of paths that begin with `/held` until `goOn` is called. */
function holding() {
  let goOn = (): void => {}
  const held = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const begun: string[] = []
  const serve = async (exchange: Exchange): Promise<void> => {
    const { url = '' } = exchange.request
    begun.push(url)
    if (url.startsWith('/held')) await held
    exchange.send({ ...OK, text: url })
  }
  return { serve, begun, goOn: () => goOn() }
}

test('a request behind one of the application begins when that is answered, and leaves with its connection', async () => {
  const { serve, begun } = holding()
  const waiting: ServerResponse[] = []
  const { embedded, port, end } = await place(serve, {
    application: (_request, response) => void waiting.push(response),
  })
  const [lost, kept] = [await RawConnection.open(port), await RawConnection.open(port)]
  await lost.write(get('/app/slow') + get('/a'))
  await kept.write(get('/app/slow') + get('/b') + get('/c'))
  await eventually(WITHIN_MS, 'the requests', async () => embedded.connections.open === 2 || undefined)
  assert.equal(begun, [])
  lost.cut()
  await eventually(WITHIN_MS, 'the place', async () => embedded.connections.open === 1 || undefined)
  for (const response of waiting) response.end('slow')
  assert.is((await kept.answer()).status, 200)
  assert.equal([(await kept.answer()).text, (await kept.answer()).text], ['/b', '/c'])
  assert.equal(begun, ['/b', '/c'])
  await eventually(WITHIN_MS, 'the places', async () => embedded.connections.open === 0 || undefined)
  await end()
})

test('a connection takes one place whatever it sends, and is cut where more than eight requests wait', async () => {
  const { serve, begun, goOn } = holding()
  const { embedded, port, end } = await place(serve, { limit: 2 })
  const [greedy, other, third] = [
    await RawConnection.open(port),
    await RawConnection.open(port),
    await RawConnection.open(port),
  ]
  await greedy.write(get('/held') + get('/a').repeat(8))
  await eventually(WITHIN_MS, 'the request', async () => begun[0])
  assert.is(embedded.connections.open, 1)
  await other.write(get('/held/other'))
  await eventually(WITHIN_MS, 'the other request', async () => begun[1])
  await third.write(get('/third') + get('/third'))
  const refused = await third.answer()
  assert.equal([refused.status, refused.headers.get('connection')], [503, 'close'])
  await third.closed()
  await greedy.write(get('/a').repeat(20))
  await greedy.closed()
  goOn()
  assert.is((await other.answer()).text, '/held/other')
  await eventually(WITHIN_MS, 'the places', async () => embedded.connections.open === 0 || undefined)
  assert.equal(begun, ['/held', '/held/other'])
  await end()
})

test('eight requests may wait, as the README of operation says', async () => {
  const { serve, goOn } = holding()
  const { port, end } = await place(serve)
  const raw = await RawConnection.open(port)
  await raw.write(get('/held') + get('/a').repeat(8))
  goOn()
  for (let answers = 0; answers < 9; answers++) assert.is((await raw.answer()).status, 200)
  const page = new URL('../../../server/operation/README.md', import.meta.url)
  assert.match(readFileSync(page, 'utf8'), 'A connection of which more than eight wait is cut')
  await end()
})

test('a body that comes to a refused connection is not read on', async () => {
  const { serve, begun, goOn } = holding()
  const { port, end } = await place(serve, { limit: 1 })
  const [first, long] = [await RawConnection.open(port), await RawConnection.open(port)]
  await first.write(get('/held'))
  await eventually(WITHIN_MS, 'the request', async () => begun[0])
  await long.write('PATCH /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nabc')
  assert.is((await long.answer()).status, 503)
  await long.closed(2_000)
  goOn()
  assert.is((await first.answer()).status, 200)
  await end()
})

test('close() does not wait for the body of a request that has been answered, and cuts no later connection', async () => {
  const { embedded, port, end } = await place(async (exchange) => {
    exchange.send(OK)
  })
  const [stopped, later] = [await RawConnection.open(port), await RawConnection.open(port)]
  await stopped.write('PATCH /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc')
  assert.is((await stopped.answer()).status, 200)
  embedded.refuseNew()
  const closed = embedded.close(10_000)
  // It is refused, and its body comes on.
  await later.write('PATCH /b HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc')
  assert.is((await later.answer()).status, 503)
  await bounded(2_000, closed, 'the end')
  await stopped.closed()
  await later.write(`abc${get('/c')}`)
  assert.match((await later.answer()).text, /^shutting_down: /)
  await end()
})

test('a fault counts once, and one that comes late does not end the request of another', async () => {
  const { serve, goOn } = holding()
  const exchanges: Exchange[] = []
  const { embedded, port, logged, end } = await place(async (exchange) => {
    exchanges.push(exchange)
    if (exchange.request.url === '/fault') {
      fault(exchange)
      throw new Error('the same fault')
    }
    await serve(exchange)
  })
  const [faulty, kept] = [await RawConnection.open(port), await RawConnection.open(port)]
  await faulty.write(get('/fault'))
  await faulty.closed()
  assert.equal([embedded.connections.faults, logged.length], [1, 1])
  await kept.write(get('/a'))
  assert.is((await kept.answer()).text, '/a')
  await kept.write(get('/held'))
  await eventually(WITHIN_MS, 'the second request', async () => exchanges[2])
  const [, answered] = exchanges
  if (answered) fault(answered)
  goOn()
  assert.is((await kept.answer()).text, '/held')
  await end()
})

function fault({ request }: Exchange): void {
  request.emit('error', new Fault(new Error('a fault')))
}

test.run()
