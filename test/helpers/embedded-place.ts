import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Embedded } from '../../server/http/embedded.js'
import type { Exchange } from '../../server/http/exchange.js'

/** The server of an application with a handler in it. */
export async function embeddedPlace(
  serve: (exchange: Exchange) => Promise<void>,
  {
    limit = 10,
    requestTimeout = 0,
    before = null as ((request: IncomingMessage) => Promise<void>) | null,
    application = null as ((request: IncomingMessage, response: ServerResponse) => void) | null,
  } = {},
) {
  const logged: string[] = []
  const received: number[] = []
  const embedded = new Embedded(serve, {
    ...{ limit, headers: { 'Tus-Resumable': '1.0.0' } },
    received: (bytes) => void received.push(bytes),
    log: { error: (_fields, message) => void logged.push(message) },
  })
  const server: Server = createServer({ requestTimeout }, (request, response) => {
    if (application && request.url?.startsWith('/app')) application(request, response)
    else if (before) before(request).then(() => embedded.handle(request, response))
    else embedded.handle(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const end = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
  }
  return { embedded, logged, received, port, origin: `http://127.0.0.1:${port}`, end, server }
}
