/** The client's process: `node client.js <job as JSON>` does one job and prints its result as JSON. */
import { Connection, checksumOf } from './connection.js'
import type { Job, JobResult } from './job.js'

const TUS = 'Tus-Resumable: 1.0.0'
const OFFSET_TYPE = 'Content-Type: application/offset+octet-stream'

type SmallJob = Extract<Job, { kind: 'small' }>

/** Creates an upload and resolves with its URL; for PUT there is nothing to create. */
async function create(
  connection: Connection,
  job: Job & { url: string },
  name: string,
  more: readonly string[] = [],
): Promise<string> {
  if ('method' in job && job.method === 'put') return new URL(name, `${job.url}/`).href
  const headers = [TUS, `Upload-Length: ${job.bytes}`, ...more]
  const answer = await connection.request(`POST ${new URL(job.url).pathname}`, headers)
  const location = answer.headers.get('location')
  if (answer.status !== 201 || location === undefined) throw new Error(`POST was answered ${answer.status}`)
  return new URL(location, job.url).href
}

/** Sends bytes `from` to `to` of a file in one request. */
async function send(
  connection: Connection,
  location: string,
  method: string,
  from: number,
  to: number,
  more: readonly string[] = [],
) {
  const path = new URL(location).pathname
  const answer =
    method === 'put'
      ? await connection.request(`PUT ${path}`, [], to - from)
      : await connection.request(
          `PATCH ${path}`,
          [TUS, OFFSET_TYPE, `Upload-Offset: ${from}`, ...more],
          to - from,
        )
  const stored = method === 'put' || answer.headers.get('upload-offset') === String(to)
  const right = method === 'put' ? answer.status === 201 : answer.status === 204
  if (!right || !stored) throw new Error(`${method} was answered ${answer.status}`)
}

async function remove(locations: readonly string[]): Promise<void> {
  for (const location of locations) {
    const connection = new Connection(location)
    await connection.request(`DELETE ${new URL(location).pathname}`, [TUS])
    connection.close()
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1_000
}

async function upload(job: Extract<Job, { kind: 'upload' }>): Promise<JobResult> {
  const files = await Promise.all(
    Array.from({ length: job.parallel }, async (_, i) => {
      const connection = new Connection(job.url)
      await connection.open()
      return { connection, location: await create(connection, job, `file-${process.pid}-${i}`) }
    }),
  )
  const seconds = await timed(() => {
    return Promise.all(files.map((file) => send(file.connection, file.location, job.method, 0, job.bytes)))
  })
  for (const { connection } of files) connection.close()
  const locations = files.map(({ location }) => location)
  if (job.remove) await remove(locations)
  return { seconds, locations }
}

async function firstHalf(job: Extract<Job, { kind: 'first-half' }>): Promise<JobResult> {
  const connection = new Connection(job.url)
  const location = await create(connection, job, '')
  const seconds = await timed(() => send(connection, location, 'tus', 0, job.bytes / 2))
  connection.close()
  return { seconds, locations: [location] }
}

async function secondHalf(job: Extract<Job, { kind: 'second-half' }>): Promise<JobResult> {
  const connection = new Connection(job.url)
  const head = await connection.request(`HEAD ${new URL(job.url).pathname}`, [TUS])
  if (head.headers.get('upload-offset') !== String(job.bytes / 2))
    throw new Error(`HEAD was answered ${head.status} with offset ${head.headers.get('upload-offset')}`)
  const seconds = await timed(() => send(connection, job.url, 'tus', job.bytes / 2, job.bytes))
  connection.close()
  return { seconds, locations: [job.url] }
}

async function chunks(job: Extract<Job, { kind: 'chunks' }>): Promise<JobResult> {
  const { bytes, chunkBytes, checksum } = job
  const connection = new Connection(job.url)
  const location = await create(connection, job, '')
  // Every chunk has the same bytes: their digest is no work while the time is taken.
  const sum = checksum === null ? [] : [`Upload-Checksum: ${checksumOf(checksum, chunkBytes)}`]
  const seconds = await timed(async () => {
    for (let at = 0; at < bytes; at += chunkBytes)
      await send(connection, location, 'tus', at, at + chunkBytes, sum)
  })
  connection.close()
  return { seconds, locations: [location] }
}

async function parts(job: Extract<Job, { kind: 'parts' }>): Promise<JobResult> {
  const connection = new Connection(job.url)
  const locations: string[] = []
  const seconds = await timed(async () => {
    for (let number = 0; number < job.parallel; number++) {
      const location = await create(connection, job, '', ['Upload-Concat: partial'])
      await send(connection, location, 'tus', 0, job.bytes)
      locations.push(location)
    }
  })
  connection.close()
  return { seconds, locations }
}

async function small(job: SmallJob): Promise<JobResult> {
  const locations: string[] = []
  let begun = 0
  const worker = async (connection: Connection): Promise<void> => {
    while (begun < job.count) {
      begun += 1
      const location = await create(connection, job, `file-${process.pid}-${begun}`)
      await send(connection, location, job.method, 0, job.bytes)
      if (job.remove) locations.push(location)
    }
    connection.close()
  }
  const connections = Array.from({ length: job.parallel }, () => new Connection(job.url))
  await Promise.all(connections.map((connection) => connection.open()))
  const seconds = await timed(() => Promise.all(connections.map(worker)))
  await remove(locations)
  return { seconds, locations: [] }
}

function perform(job: Job): Promise<JobResult> {
  if (job.kind === 'upload') return upload(job)
  if (job.kind === 'chunks') return chunks(job)
  if (job.kind === 'parts') return parts(job)
  if (job.kind === 'first-half') return firstHalf(job)
  return job.kind === 'second-half' ? secondHalf(job) : small(job)
}

const job: Job = JSON.parse(process.argv[2] ?? '')
console.log(JSON.stringify(await perform(job)))
