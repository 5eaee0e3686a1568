/**
 * @tus/server with its FileStore, as their README shows them: `node stock-server.js <folder> [digest]`. With
 * `digest`, each finished upload is read again for its SHA-256, which is what people do who need one.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { FileStore } from '@tus/file-store'
import { Server, type ServerOptions } from '@tus/server'
import { Vitals } from '../../server/vitals.js'

const [directory = '', digest] = process.argv.slice(2)

const onUploadFinish: ServerOptions['onUploadFinish'] = async (_, { id }) => {
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(directory, id)), hash)
  return { headers: { 'Repr-Digest': `sha-256=:${hash.digest('base64')}:` } }
}

const tus = new Server({
  path: '/files',
  datastore: new FileStore({ directory }),
  ...(digest === 'digest' ? { onUploadFinish } : {}),
})
const vitals = new Vitals()
const http = createServer((request, response) => {
  // The delay of the event loop, measured and asked for as Lading's is.
  if (request.url === '/api/status') response.end(JSON.stringify({ eventLoop: vitals.eventLoop() }))
  else void tus.handle(request, response)
})
http.listen(0, '127.0.0.1', () => {
  const address = http.address()
  if (typeof address === 'object' && address !== null) console.log(`http://127.0.0.1:${address.port}/files`)
})
