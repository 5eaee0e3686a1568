import { fileURLToPath } from 'node:url'
import { start } from './children.js'
import type { Job, JobResult } from './job.js'

const CLIENT = fileURLToPath(new URL('client.js', import.meta.url))
const JOB_WITHIN_MS = 900_000

/** Has the client's process do one job. Rejects when an answer is wrong, or the job is not over in time. */
export async function load(job: Job): Promise<JobResult> {
  const client = start(process.execPath, [CLIENT, JSON.stringify(job)])
  return JSON.parse(await client.output(JOB_WITHIN_MS))
}
