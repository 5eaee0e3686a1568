/**
 * @tus/server with @tus/s3-store, as their README shows them: `node stock-s3-server.js <bucket> <endpoint>`. Parts on
 * their way are in the folder that TMPDIR names. It computes no digest.
 */
import { createServer } from 'node:http'
import { S3Store } from '@tus/s3-store'
import { Server } from '@tus/server'

const [bucket = '', endpoint = ''] = process.argv.slice(2)

const datastore = new S3Store({
  partSize: 8 * 2 ** 20,
  s3ClientConfig: {
    ...{ bucket, endpoint, region: 'us-east-1', forcePathStyle: true },
    // Ceph's gateway refuses streams with a checksum at their end.
    ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
  },
})
const tus = new Server({ path: '/files', datastore })
const http = createServer((request, response) => void tus.handle(request, response))
http.listen(0, '127.0.0.1', () => {
  const address = http.address()
  if (typeof address === 'object' && address !== null) console.log(`http://127.0.0.1:${address.port}/files`)
})
