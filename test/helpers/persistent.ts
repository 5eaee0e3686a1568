import { setTimeout as pause } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { Patch, type PseudoFile } from './sender.js'
import { locationOf, type TestAnswer, type TestServer, tus } from './server.js'

const RETRY_MS = 50
/** Longer than a lease and everything that waits for one. */
const GIVES_UP_AFTER_MS = 90_000

/** What became of an upload that nothing could stop. */
export interface Persisted {
  readonly path: string
  /** Repr-Digest of the finished upload. */
  readonly digest: string | undefined
  /** For each request that broke, the milliseconds until HEAD answered again. */
  readonly gapsMs: readonly number[]
}

interface Sending {
  /** The bytes of the next PATCH. */
  readonly chunkBytes: () => number
  /** Called with each offset that was acknowledged. */
  readonly acknowledged?: (offset: number) => void
}

/**
 * Uploads a file as a client does that never gives up: HEAD, PATCH after PATCH, and HEAD again after one that broke. Fails
 * where an offset that was acknowledged goes back, and where nothing goes on for 90 s.
 */
export async function persist(
  front: TestServer,
  file: PseudoFile,
  { chunkBytes, acknowledged = () => {} }: Sending,
): Promise<Persisted> {
  const gapsMs: number[] = []
  let told = 0
  let brokeAtMs: number | undefined
  let movedAtMs = performance.now()
  const created = await insist(() => tus.create(front, file.size), 201)
  const path = new URL(locationOf(created)).pathname
  for (;;) {
    const { headers } = await insist(() => tus.head(front, path), 200)
    if (brokeAtMs !== undefined) gapsMs.push(performance.now() - brokeAtMs)
    let at = Number(headers['upload-offset'])
    assert.ok(at >= told, `HEAD says ${at}, but ${told} bytes were acknowledged`)
    told = at
    if (at === file.size) return { path, gapsMs, digest: textOf(headers['repr-digest']) }
    while (at < file.size) {
      const end = Math.min(file.size, at + chunkBytes())
      const answer = await Patch.begin(front, path, file, at, end).then(
        (patch) => patch.finish(),
        () => undefined,
      )
      if (answer?.status !== 204) {
        if (performance.now() - movedAtMs > GIVES_UP_AFTER_MS)
          throw new Error(`no PATCH at ${at} is taken: ${answer?.status} ${answer?.text}`)
        break
      }
      at = Number(answer.headers.get('upload-offset'))
      assert.is(at, end, 'the offset in the answer')
      told = at
      movedAtMs = performance.now()
      acknowledged(at)
      if (at === file.size) return { path, gapsMs, digest: answer.headers.get('repr-digest') }
    }
    brokeAtMs = performance.now()
    await pause(RETRY_MS)
  }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

/** Asks again and again until the answer has this status. Fails at one that never changes. */
async function insist(ask: () => Promise<TestAnswer>, status: number): Promise<TestAnswer> {
  const until = performance.now() + GIVES_UP_AFTER_MS
  for (let last = ''; ; await pause(RETRY_MS)) {
    try {
      const answer = await ask()
      if (answer.status === status) return answer
      last = `${answer.status} ${answer.text}`
      assert.not.ok([404, 410].includes(answer.status), `the upload is gone: ${last}`)
    } catch (error) {
      if (error instanceof assert.Assertion) throw error
      last = String(error)
    }
    if (performance.now() > until) throw new Error(`no answer of ${status} came: ${last}`)
  }
}

/** The largest, in whole milliseconds; for what a test prints. */
export function largest(all: readonly number[]): number {
  return Math.round(Math.max(0, ...all))
}
