import { createHash } from 'node:crypto'
import { utimesSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startApp, type TestApp } from '../helpers/app-place.js'
import { bodyParts } from '../helpers/multipart.js'
import { type Nginx, startFileNginx } from '../helpers/nginx.js'
import { askOf } from '../helpers/routes.js'
import { temporaryFolder } from '../helpers/server.js'
import { needsProgram } from '../helpers/test.js'
import { uploaded } from '../helpers/uploaded.js'
import { forNginx } from './nginx-deviations.js'
import { type FileRequest, fileRequests, LENGTHS } from './range-requests.js'

const test = suite('ranges beside nginx')

const REQUESTS = 2_000
const AT_ONCE = 8
const seed = Number(process.env.RANGE_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** A file on one of the servers, and what names its version there. */
interface Place {
  readonly url: string
  /** Connections are used again; nginx closes some of them just when it gets the next request. */
  readonly agent: Agent | false
  readonly etag: string
  readonly date: string
}

interface Got {
  readonly status: number
  readonly contentRange: string | undefined
  /** The SHA-256 of the bytes, or of those of each part. */
  readonly bytes: readonly (readonly [range: string, bytes: string])[]
}

const agent = new Agent({ keepAlive: true, maxSockets: 2 * AT_ONCE })
let app: TestApp | undefined
let nginx: Nginx | undefined

test.after(async () => {
  agent.destroy()
  await app?.close()
  await nginx?.stop()
})

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

function ask(place: Place, { method, headers }: FileRequest): Promise<Got> {
  const filled = Object.entries(headers).map(([name, values]) => {
    return [
      name,
      values.map((text) => text.replaceAll('{etag}', place.etag).replaceAll('{date}', place.date)),
    ]
  })
  return new Promise((resolve, reject) => {
    const sent = request(
      place.url,
      { method, agent: place.agent, headers: Object.fromEntries(filled) },
      (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part)).on('error', reject)
        answer.on('end', () => {
          const { statusCode: status = 0, headers: fields } = answer
          const body = Buffer.concat(parts)
          const type = fields['content-type'] ?? ''
          const isBody = status === 200 || status === 206
          const bytes = !isBody
            ? []
            : type.startsWith('multipart/') && method === 'GET'
              ? bodyParts(type, body).map((part) => [part.range, digestOf(part.bytes)] as const)
              : [['', digestOf(body)] as const, ['length', String(fields['content-length'])] as const]
          resolve({ status, contentRange: fields['content-range'], bytes })
        })
      },
    )
    sent.on('error', (error) =>
      reject(new Error(`${method} ${place.url} ${JSON.stringify(headers)}: ${error.message}`)),
    )
    sent.end()
  })
}

/** Stores a file of so many bytes on both servers, finished at the same second. */
async function placesOf(
  lading: TestApp,
  folder: string,
  web: Nginx,
  length: number,
): Promise<[Place, Place]> {
  const bytes = Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 7)) & 0xff))
  const path = await uploaded(
    askOf(() => lading.origin),
    { bytes },
  )
  const url = `${lading.origin}${path}`
  const { headers } = await fetch(url, { method: 'HEAD' })
  const date = headers.get('last-modified') ?? ''
  writeFileSync(join(folder, `${length}`), bytes)
  utimesSync(join(folder, `${length}`), new Date(date), new Date(date))
  const theirs = `http://127.0.0.1:${web.port}/${length}`
  const seen = (await fetch(theirs, { method: 'HEAD' })).headers
  assert.is(seen.get('last-modified'), date)
  return [
    { url, agent, etag: headers.get('etag') ?? '', date },
    { url: theirs, agent: false, etag: seen.get('etag') ?? '', date },
  ]
}

needsProgram(test, 'nginx')(
  '"Compare with nginx on 2,000 generated range requests: the same bytes and statuses"',
  async () => {
    console.log(`ranges: RANGE_SEED=${seed}`)
    const folder = temporaryFolder()
    app = await startApp()
    nginx = await startFileNginx(folder, ['max_ranges 16', 'if_modified_since before'])
    const places = new Map<number, [Place, Place]>()
    for (const length of LENGTHS) places.set(length, await placesOf(app, folder, nginx, length))
    const waiting = fc.sample(fileRequests, { seed, numRuns: REQUESTS })
    const counts = new Map<string, number>()
    const work = async (): Promise<void> => {
      for (let each = waiting.pop(); each; each = waiting.pop()) {
        const [own, theirs] = places.get(each.length) ?? []
        if (!own || !theirs) throw new Error(`no file has ${each.length} bytes`)
        const plain = forNginx(each)
        const [got, expected] = await Promise.all([ask(own, each), ask(theirs, plain.request)])
        assert.equal(got, expected, `RANGE_SEED=${seed} ${JSON.stringify(each)}`)
        for (const kind of [`${got.status}${got.bytes.length > 2 ? ' multipart' : ''}`, ...plain.reasons])
          counts.set(kind, (counts.get(kind) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    for (const [kind, count] of [...counts].sort()) console.log(`ranges: ${count} × ${kind}`)
    for (const kind of ['200', '206', '206 multipart', '304', '412', '416'])
      assert.ok((counts.get(kind) ?? 0) > 20, `${kind} was compared`)
  },
)

test.run()
