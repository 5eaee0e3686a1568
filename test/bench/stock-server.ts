/** @tus/server with its FileStore as their README shows them: `node stock-server.js <folder>`. */
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const directory = process.argv[2] ?? ''
const tus = new Server({ path: '/files', datastore: new FileStore({ directory }) })
const http = tus.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = http.address()
  if (typeof address === 'object' && address !== null) console.log(`http://127.0.0.1:${address.port}/files`)
})
