/**
 * A process that uploads 1 MiB again and again while a test attacks the server, and says how that went.
 * Arguments: the creation URL. Started by under-attack.ts, which ends it with the message 'stop'.
 */
import { Agent, request as httpRequest } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { BystanderReport } from './under-attack.js'

const BYTES = Buffer.alloc(2 ** 20, 'lading\n')
const PAUSE_MS = 25
const ANSWER_WITHIN_MS = 60_000
const VERSION = { 'Tus-Resumable': '1.0.0' }

const [, , endpoint = ''] = process.argv
const report: { uploadsMs: number[]; failures: string[] } = { uploadsMs: [], failures: [] }
let stopped = false

process.on('message', () => {
  stopped = true
})

interface Sent {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | number>>
  readonly body?: Buffer
}

function send(
  agent: Agent,
  { method, url, headers, body }: Sent,
): Promise<{ status: number; location: string }> {
  return new Promise((resolve, reject) => {
    const options = { agent, method, headers: { ...VERSION, ...headers } }
    const request = httpRequest(url, options, (response) => {
      response.on('error', reject).resume()
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? '' }),
      )
    })
    request.setTimeout(ANSWER_WITHIN_MS, () => request.destroy(new Error('no answer')))
    request.on('error', reject)
    request.end(body)
  })
}

/** One upload on a connection of its own. Resolves with the milliseconds it took; throws what refused it. */
async function upload(): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const startedAt = performance.now()
  try {
    const length = { 'Upload-Length': BYTES.length }
    const created = await send(agent, { method: 'POST', url: endpoint, headers: length })
    if (created.status !== 201) throw new Error(`POST ${created.status}`)
    const headers = {
      'Upload-Offset': 0,
      'Content-Type': 'application/offset+octet-stream',
      'Content-Length': BYTES.length,
    }
    const { location: url } = created
    const stored = await send(agent, { method: 'PATCH', url, headers, body: BYTES })
    if (stored.status !== 204) throw new Error(`PATCH ${stored.status}`)
    const tookMs = performance.now() - startedAt
    const removed = await send(agent, { method: 'DELETE', url, headers: {} })
    if (removed.status !== 204) throw new Error(`DELETE ${removed.status}`)
    return tookMs
  } finally {
    agent.destroy()
  }
}

while (!stopped) {
  try {
    report.uploadsMs.push(await upload())
    process.send?.('uploaded')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    report.failures.push(code || (error instanceof Error ? error.message : String(error)))
  }
  await setTimeout(PAUSE_MS)
}

process.send?.(report satisfies BystanderReport, () => process.disconnect())
