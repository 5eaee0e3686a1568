import { fileURLToPath } from 'node:url'
import { start } from './children.js'
import type { Job, JobResult } from './job.js'

const CLIENT = fileURLToPath(new URL('client.js', import.meta.url))
const JOB_WITHIN_MS = 900_000

/** Does one job in a client process. Rejects if an answer is wrong, or the job does not end in time. */
export async function load(job: Job): Promise<JobResult> {
  const client = start(process.execPath, [CLIENT, JSON.stringify(job)])
  return JSON.parse(await client.output(JOB_WITHIN_MS))
}
