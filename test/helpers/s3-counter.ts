import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'

/** What came to S3 so far. */
export interface S3Counts {
  /** Calls by operation. */
  readonly calls: Readonly<Record<string, number>>
  /** Bytes that were read of objects under uploads' own keys. */
  readonly readBytes: number
}

/** A way to S3 that counts what passes. */
export interface S3Counter {
  readonly endpoint: string
  readonly counts: S3Counts
  /** Asked before each call passes, which waits for it; one that is not to pass has its connection cut. */
  mayPass: (operation: string) => Promise<boolean>
  close(): void
}

/** Opens one on a port of its own. */
export async function countS3(target: string): Promise<S3Counter> {
  const { hostname, port: targetPort } = new URL(target)
  const calls: Record<string, number> = {}
  let readBytes = 0
  const ask = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    if (await counter.mayPass(operationOf(asked))) pass(asked, answer)
    else asked.destroy()
  }
  const pass = (asked: IncomingMessage, answer: ServerResponse): void => {
    const { method, url: path, headers } = asked
    const operation = operationOf(asked)
    calls[operation] = (calls[operation] ?? 0) + 1
    const passed = request({ hostname, port: targetPort, method, path, headers })
    passed.on('response', (answered) => {
      answer.writeHead(answered.statusCode ?? 500, answered.headers)
      if (operation === 'GetObject')
        answered.on('data', ({ length }: Buffer) => {
          readBytes += length
        })
      answered.on('error', () => answer.destroy()).pipe(answer)
    })
    passed.on('error', () => answer.destroy())
    answer.on('close', () => passed.destroy())
    asked.on('error', () => passed.destroy()).pipe(passed)
  }
  const server = createServer((asked, answer) => void ask(asked, answer)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const counter: S3Counter = {
    mayPass: async () => true,
    endpoint: `http://127.0.0.1:${address.port}`,
    get counts() {
      return { calls: { ...calls }, readBytes }
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  return counter
}

function operationOf({ method, url = '', headers }: IncomingMessage): string {
  const isUpload = url.includes('uploadId=')
  if (method === 'GET' && url.includes('/tails/')) return 'GetObject of a tail'
  if (method === 'GET') return url.includes('/uploads/') && !isUpload ? 'GetObject' : 'GET of others'
  if (method === 'PUT' && headers['x-amz-copy-source'] !== undefined) return 'UploadPartCopy'
  if (method === 'PUT' && url.includes('/tails/')) return 'PutObject of a tail'
  if (method === 'PUT') return isUpload ? 'UploadPart' : 'PutObject'
  if (method === 'POST' && isUpload) return 'CompleteMultipartUpload'
  return `${method} of others`
}
