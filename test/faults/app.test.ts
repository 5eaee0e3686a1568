import { createServer } from 'node:http'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type App, ConfigError, createApp } from '../../server/app.js'
import { send, temporaryFolder } from '../helpers/server.js'
import { bounded } from '../helpers/test.js'

const test = suite('app')

const SETTLES_WITHIN_MS = 20_000

const newApp = (port = 0, host = '127.0.0.1'): Promise<App> =>
  createApp({ host, port, dataDir: join(temporaryFolder(), 'data'), minFreeBytes: 0, logLevel: 'silent' })

/** How a promise ends, in words; fails where it does not end. */
const endOf = (promise: Promise<unknown>): Promise<string> =>
  bounded(
    SETTLES_WITHIN_MS,
    promise.then(
      () => 'resolved',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    ),
    'its end',
  )

test('listen() settles where close() is called at once, whatever the host, and nothing listens then', async () => {
  for (const host of ['127.0.0.1', 'localhost']) {
    const app = await newApp(0, host)
    const [listening, closing] = [endOf(app.listen()), endOf(app.close())]
    assert.is(await listening, 'the server was closed before it listened')
    assert.is(await closing, 'resolved')
  }
})

test('listen() after close() rejects, and so does each further one', async () => {
  const app = await newApp()
  await app.close()
  assert.is(await endOf(app.listen()), 'the server is closed')
  assert.is(await endOf(app.listen()), 'the server is closed')
  await app.close()
})

test('a second listen() rejects, and the first goes on', async () => {
  const app = await newApp()
  const first = app.listen()
  assert.is(await endOf(app.listen()), 'the server listens already')
  const { url } = await first
  assert.is((await send(url, { method: 'GET', path: '/healthz' })).status, 200)
  assert.is(await endOf(app.listen()), 'the server listens already')
  await app.close()
  assert.is(await endOf(app.listen()), 'the server is closed')
})

test('listen() rejects where the port is taken, and can be called again', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const app = await newApp(port)
  assert.match(await endOf(app.listen()), 'EADDRINUSE')
  await new Promise((resolve) => other.close(resolve))
  assert.is(await endOf(app.listen()), 'resolved')
  await app.close()
})

test('createApp() takes an object of settings or nothing, and anything else is a ConfigError of one line', async () => {
  for (const settings of [null, 5, [], 'x', true]) {
    const error: unknown = await Reflect.apply(createApp, undefined, [settings]).catch(
      (thrown: unknown) => thrown,
    )
    assert.instance(error, ConfigError)
    assert.not.match(String(error), '\n')
  }
})

test.run()
