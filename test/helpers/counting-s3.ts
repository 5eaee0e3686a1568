import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type Server } from 'node:http'

/** A proxy before an S3 that counts calls by their names. The signed `Host` is that of the proxy, and passes as it is. */
export class CountingS3 {
  readonly #server: Server
  readonly #agent = new Agent({ keepAlive: true })
  #calls = new Map<string, number>()

  private constructor(endpoint: string) {
    const { hostname, port } = new URL(endpoint)
    this.#server = createServer((incoming, outgoing) => {
      const name = nameOf(incoming)
      this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1)
      const { method, url: path, rawHeaders: headers } = incoming
      const asked = request({ hostname, port, method, path, headers, agent: this.#agent }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.rawHeaders)
        answer.pipe(outgoing)
      })
      asked.on('error', () => outgoing.destroy())
      incoming.pipe(asked)
    })
  }

  static async open(endpoint: string): Promise<CountingS3> {
    const proxy = new CountingS3(endpoint)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get endpoint(): string {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the proxy is closed')
    return `http://127.0.0.1:${address.port}`
  }

  /** The calls since this was asked last. */
  take(): ReadonlyMap<string, number> {
    const calls = this.#calls
    this.#calls = new Map()
    return calls
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
    this.#agent.destroy()
  }
}

/** The name of a call in S3's documentation. */
function nameOf({ method = '', url = '', headers }: IncomingMessage): string {
  const { pathname, searchParams } = new URL(url, 'http://s3')
  const isBucket = pathname.split('/').filter((part) => part !== '').length < 2
  const upload = searchParams.has('uploadId')
  if (method === 'PUT' && upload) return headers['x-amz-copy-source'] ? 'UploadPartCopy' : 'UploadPart'
  if (method === 'POST' && searchParams.has('uploads')) return 'CreateMultipartUpload'
  if (method === 'POST') return upload ? 'CompleteMultipartUpload' : 'DeleteObjects'
  if (method === 'DELETE') return upload ? 'AbortMultipartUpload' : 'DeleteObject'
  if (method === 'GET' && upload) return 'ListParts'
  if (method === 'GET' && isBucket)
    return searchParams.has('uploads') ? 'ListMultipartUploads' : 'ListObjects'
  const kind = { GET: 'Get', HEAD: 'Head', PUT: 'Put' }[method] ?? method
  return `${kind}${isBucket ? 'Bucket' : 'Object'}`
}
