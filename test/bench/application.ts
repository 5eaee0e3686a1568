/**
 * `node application.js`: what an application runs around a Lading. It accepts every hook with 204. A POST to it names
 * the server that it watches from then on: it scrapes /metrics every five seconds, and ten readers follow /api/events.
 */
import { createServer, get, type IncomingMessage } from 'node:http'
import { ADMIN_KEY } from '../helpers/tokens.js'

const READERS = 10
const SCRAPE_EVERY_MS = 5_000

const headers = { Authorization: `Bearer ${ADMIN_KEY}` }

function fetched(url: URL): void {
  get(url, { headers }, (answer) => {
    if (answer.statusCode !== 200) throw new Error(`${url.pathname} was answered ${answer.statusCode}`)
    answer.resume()
    // The server is killed at the end of a measurement.
    answer.on('error', () => process.exit(0))
  }).on('error', () => process.exit(0))
}

function watch(origin: string): void {
  for (let reader = 0; reader < READERS; reader++) fetched(new URL('/api/events', origin))
  setInterval(() => fetched(new URL('/metrics', origin)), SCRAPE_EVERY_MS)
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

const server = createServer(async (request, response) => {
  const text = await textOf(request)
  if (request.url === '/watch') watch(text)
  response.writeHead(204).end()
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}/`)
})
