/** The client's process: `node client.js <job as JSON>` does one job and prints its result as JSON. */
import { Connection, checksumOf } from './connection.js'
import { fetchFile } from './fetch-file.js'
import type { Endpoint, Job, JobOf, JobResult } from './job.js'
import { opensslDigest } from './openssl.js'
import { endedChildrenCpuSeconds } from './usage.js'

const TUS = 'Tus-Resumable: 1.0.0'

/** What every request to a server carries. */
const common = ({ headers }: Endpoint): readonly string[] => [TUS, ...headers]
const OFFSET_TYPE = 'Content-Type: application/offset+octet-stream'

type Timed = Omit<JobResult, 'digestCpuSeconds'>

/** Creates an upload and resolves with its URL. A PUT needs no creation: its URL is made from `name`. */
async function create(
  connection: Connection,
  { server, bytes }: Job,
  name: string,
  more: readonly string[] = [],
): Promise<string> {
  const { url, method } = server
  if (method === 'put') return new URL(name, `${url}/`).href
  const headers = [...common(server), `Upload-Length: ${bytes}`, ...more]
  const answer = await connection.request(`POST ${new URL(url).pathname}`, headers)
  const location = answer.headers.get('location')
  if (answer.status !== 201 || location === undefined) throw new Error(`POST was answered ${answer.status}`)
  return new URL(location, url).href
}

/** Sends the bytes from `from` to `to` in one request. If they are the last, resolves when the digest is known. */
async function send(
  connection: Connection,
  { server, bytes }: Job,
  location: string,
  from: number,
  to: number,
  more: readonly string[] = [],
): Promise<void> {
  if (server.method === 'put') await put(connection, location, to - from)
  else {
    const headers = [...common(server), OFFSET_TYPE, `Upload-Offset: ${from}`, ...more]
    const answer = await connection.request(`PATCH ${new URL(location).pathname}`, headers, to - from)
    if (answer.status !== 204 || answer.headers.get('upload-offset') !== String(to))
      throw new Error(`PATCH was answered ${answer.status}`)
    if (to === bytes && server.answersDigest && !answer.headers.get('repr-digest')?.startsWith('sha-256=:'))
      throw new Error('the answer to the last PATCH has no digest')
  }
  if (to === bytes) await digest(server, location)
}

async function put(connection: Connection, location: string, bytes: number): Promise<void> {
  const { status } = await connection.request(`PUT ${new URL(location).pathname}`, [], bytes)
  if (status !== 201) throw new Error(`PUT was answered ${status}`)
}

async function digest({ digestFolder }: Endpoint, location: string): Promise<void> {
  if (digestFolder !== null)
    await opensslDigest(`${digestFolder}/${new URL(location).pathname.split('/').at(-1)}`)
}

async function remove(server: Endpoint, locations: readonly string[]): Promise<void> {
  for (const location of locations) {
    const connection = new Connection(location)
    await connection.request(`DELETE ${new URL(location).pathname}`, common(server))
    connection.close()
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1_000
}

async function upload(job: JobOf<'upload'>): Promise<Timed> {
  const files = await Promise.all(
    Array.from({ length: job.parallel }, async (_, i) => {
      const connection = new Connection(job.server.url)
      await connection.open()
      return { connection, location: await create(connection, job, `file-${process.pid}-${i}`) }
    }),
  )
  const seconds = await timed(() => {
    return Promise.all(files.map((file) => send(file.connection, job, file.location, 0, job.bytes)))
  })
  for (const { connection } of files) connection.close()
  return { seconds, locations: files.map(({ location }) => location) }
}

async function firstHalf(job: JobOf<'first-half'>): Promise<Timed> {
  const connection = new Connection(job.server.url)
  const location = await create(connection, job, '')
  const seconds = await timed(() => send(connection, job, location, 0, job.bytes / 2))
  connection.close()
  return { seconds, locations: [location] }
}

async function secondHalf(job: JobOf<'second-half'>): Promise<Timed> {
  const connection = new Connection(job.location)
  const head = await connection.request(`HEAD ${new URL(job.location).pathname}`, common(job.server))
  if (head.headers.get('upload-offset') !== String(job.bytes / 2))
    throw new Error(`HEAD was answered ${head.status} with offset ${head.headers.get('upload-offset')}`)
  const seconds = await timed(() => send(connection, job, job.location, job.bytes / 2, job.bytes))
  connection.close()
  return { seconds, locations: [job.location] }
}

async function chunks(job: JobOf<'chunks'>): Promise<Timed> {
  const { bytes, chunkBytes, checksum } = job
  const connection = new Connection(job.server.url)
  const location = await create(connection, job, '')
  // Every chunk has the same bytes, so one checksum is computed before the clock starts.
  const sum = checksum === null ? [] : [`Upload-Checksum: ${checksumOf(checksum, chunkBytes)}`]
  const seconds = await timed(async () => {
    for (let at = 0; at < bytes; at += chunkBytes)
      await send(connection, job, location, at, Math.min(at + chunkBytes, bytes), sum)
  })
  connection.close()
  return { seconds, locations: [location] }
}

async function parts(asked: JobOf<'parts'>): Promise<Timed> {
  // The digest is that of the final upload: a partial one has none.
  const job = { ...asked, server: { ...asked.server, answersDigest: false } }
  const connection = new Connection(job.server.url)
  const locations: string[] = []
  const seconds = await timed(async () => {
    for (let number = 0; number < job.parallel; number++) {
      const location = await create(connection, job, '', ['Upload-Concat: partial'])
      await send(connection, job, location, 0, job.bytes)
      locations.push(location)
    }
  })
  connection.close()
  return { seconds, locations }
}

async function many(job: JobOf<'many'>): Promise<Timed> {
  const locations: string[] = []
  let begun = 0
  const worker = async (connection: Connection): Promise<void> => {
    while (begun < job.count) {
      begun += 1
      const location = await create(connection, job, `file-${process.pid}-${begun}`)
      await send(connection, job, location, 0, job.bytes)
      if (job.server.remove) locations.push(location)
    }
    connection.close()
  }
  const connections = Array.from({ length: job.parallel }, () => new Connection(job.server.url))
  await Promise.all(connections.map((connection) => connection.open()))
  const seconds = await timed(() => Promise.all(connections.map(worker)))
  return { seconds, locations }
}

async function download({ location, bytes }: JobOf<'download'>): Promise<Timed> {
  const seconds = await timed(() => fetchFile(location, bytes))
  return { seconds, locations: [] }
}

function perform(job: Job): Promise<Timed> {
  switch (job.kind) {
    case 'upload':
      return upload(job)
    case 'chunks':
      return chunks(job)
    case 'parts':
      return parts(job)
    case 'first-half':
      return firstHalf(job)
    case 'second-half':
      return secondHalf(job)
    case 'download':
      return download(job)
    case 'many':
      return many(job)
  }
}

async function main(job: Job): Promise<JobResult> {
  const done = await perform(job)
  // openssl is the only child of this process.
  const digestCpuSeconds = endedChildrenCpuSeconds()
  if (job.server.remove && job.kind !== 'parts' && job.kind !== 'first-half')
    await remove(job.server, done.locations)
  return { ...done, digestCpuSeconds }
}

try {
  console.log(JSON.stringify(await main(JSON.parse(process.argv[2] ?? ''))))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
