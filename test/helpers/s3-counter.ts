import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'

/** What came to S3 so far. */
export interface S3Counts {
  /** Calls by their names in S3's documentation; those of a tail's object have ` of a tail` behind it. */
  readonly calls: Readonly<Record<string, number>>
  /** Bytes that were read of objects under uploads' own keys. */
  readonly readBytes: number
}

/** A way to S3 that counts what passes. */
export interface S3Counter {
  readonly endpoint: string
  readonly counts: S3Counts
  /**
   * Asked before each call passes, which waits for it; one that is not to pass has its connection cut. `path` has its query.
   */
  mayPass: (operation: string, path: string) => Promise<boolean>
  /** The same for each answer of S3. */
  mayAnswer: (operation: string, path: string) => Promise<boolean>
  close(): void
}

/** Opens one on a port of its own. */
export async function countS3(target: string): Promise<S3Counter> {
  const { hostname, port: targetPort } = new URL(target)
  const calls: Record<string, number> = {}
  let readBytes = 0
  const ask = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const isToPass = await counter.mayPass(operationOf(asked), `${asked.url}`)
    if (isToPass && !asked.destroyed) pass(asked, answer)
    else asked.destroy()
  }
  const pass = (asked: IncomingMessage, answer: ServerResponse): void => {
    const { method, url: path, headers } = asked
    const operation = operationOf(asked)
    calls[operation] = (calls[operation] ?? 0) + 1
    const passed = request({ hostname, port: targetPort, method, path, headers })
    passed.on('response', async (answered) => {
      if (!(await counter.mayAnswer(operation, `${path}`))) return void answer.destroy()
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
    mayAnswer: async () => true,
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

/** The name of a call in S3's documentation, and whether it is about a tail. */
function operationOf({ method = '', url = '', headers }: IncomingMessage): string {
  const { pathname, searchParams } = new URL(url, 'http://s3')
  const isBucket = pathname.split('/').filter((part) => part !== '').length < 2
  const isUpload = searchParams.has('uploadId')
  if (method === 'PUT' && isUpload)
    return headers['x-amz-copy-source'] === undefined ? 'UploadPart' : 'UploadPartCopy'
  if (method === 'POST' && searchParams.has('uploads')) return 'CreateMultipartUpload'
  if (method === 'POST') return isUpload ? 'CompleteMultipartUpload' : 'DeleteObjects'
  if (method === 'DELETE') return isUpload ? 'AbortMultipartUpload' : 'DeleteObject'
  if (method === 'GET' && isUpload) return 'ListParts'
  if (method === 'GET' && isBucket)
    return searchParams.has('uploads') ? 'ListMultipartUploads' : 'ListObjects'
  const kind = { GET: 'Get', HEAD: 'Head', PUT: 'Put' }[method] ?? method
  if (isBucket) return `${kind}Bucket`
  return pathname.includes('/tails/') ? `${kind}Object of a tail` : `${kind}Object`
}
