import { createReadStream } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { DetailedError } from 'tus-js-client'
import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { pathOf, pieces, type Success, sendWith, Upload, type UploadOptions } from './js-client.js'
import { startClient } from './js-process.js'
import { reprDigestOf } from './proof.js'
import { CuttingProxy, type Fault } from './proxy.js'
import { PseudoFile } from './sender.js'
import { eventually, idOf, type TestServer, temporaryFolder, tus } from './server.js'
import { assertStoredIn, type Stored } from './stored.js'
import { bounded } from './test.js'

const MIB = 2 ** 20
const WITHIN_MS = 60_000
const FILE = new PseudoFile(1, 24 * MIB + 7)
const FILE_PATH = join(temporaryFolder(), 'file.bin')

/** A server, or several behind one address, without an upload. */
export interface LinePlace {
  readonly server: TestServer
  readonly stored: Stored
  /** Resolves when no request runs. */
  idle(): Promise<void>
  end(): Promise<void>
}

/** What happens to the line, and whose bytes it hits. */
interface Trouble {
  readonly fault: Fault
  readonly direction: 'request' | 'answer'
}

interface Line {
  readonly server: TestServer
  readonly stored: Stored
  /** Between the client and the server. */
  readonly proxy: CuttingProxy
  /** The creation URL by the proxy. */
  readonly url: string
  /** Undefined on a sound line. */
  readonly trouble: Trouble | undefined
  /** Lets the trouble begin. */
  readonly arm: () => void
}

/** A way of uploading, or of taking an upload back. */
interface Way {
  /** Connections that bring requests fail after so many bytes, twice. */
  readonly cutAfterBytes: number
  /** The answers of which half arrives, in turn. */
  readonly lost: readonly RegExp[]
  /** Who ends a connection that fell silent: the server's idle time-out, or the proxy, and the server waits on. */
  readonly silenceEndsAt: 'server' | 'proxy'
  /** Brings it to its end and proves that. */
  readonly run: (line: Line) => Promise<void>
}

const CREATED = /^HTTP\/1\.1 201 /
const STORED = /^HTTP\/1\.1 204 /

async function assertArrived(stored: Stored, sent: Success): Promise<void> {
  assert.is(sent.digest, reprDigestOf(FILE), 'the digest in the last answer')
  await assertStoredIn(stored, sent.path, FILE)
}

/** An upload with tus-js-client's defaults but for these options. */
function uploading(
  options: UploadOptions,
  lost: readonly RegExp[] = [CREATED, STORED],
  input = (): Readable => createReadStream(FILE_PATH),
): Way {
  return {
    // Within one request, where each has a connection of its own.
    cutAfterBytes: Math.min(3 * MIB, (options.chunkSize ?? FILE.size) / 2),
    silenceEndsAt: 'server',
    lost,
    run: async ({ stored, url, arm }) => {
      arm()
      await assertArrived(stored, await sendWith({ url }, input(), options))
    },
  }
}

/** Resolves when the line fell silent and the server has some of the one upload it knows; says its path. */
async function silentHalfway({ stored, proxy }: Line): Promise<string> {
  return eventually(WITHIN_MS, 'some of the upload', async () => {
    const [id] = await stored.ids()
    if (proxy.outstanding > 0 || id === undefined) return undefined
    const path = `/files/${id}`
    return (await stored.arrivedOf(path)) > 0 ? path : undefined
  })
}

const goneOn: Way = {
  cutAfterBytes: 3 * MIB,
  silenceEndsAt: 'proxy',
  lost: [STORED],
  run: async (line) => {
    const { stored, proxy, url, arm } = line
    proxy.fail('silence', 3 * MIB)
    const sent = sendAbortable(url)
    const path = await silentHalfway(line)
    await sent.upload.abort()
    arm()
    sent.upload.start()
    const success = await bounded(WITHIN_MS, sent.success, 'the end of the upload')
    assert.is(success.path, path)
    assert.is((await stored.ids()).length, 1, 'one upload')
    await assertArrived(stored, success)
  },
}

const goneOnInAnotherProcess: Way = {
  cutAfterBytes: 3 * MIB,
  silenceEndsAt: 'proxy',
  lost: [STORED],
  run: async (line) => {
    const { stored, proxy, url, arm } = line
    const storage = join(temporaryFolder(), 'urls.json')
    proxy.fail('silence', 3 * MIB)
    const first = startClient(url, FILE_PATH, storage)
    const path = await silentHalfway(line)
    await first.kill()
    arm()
    const success = await startClient(url, FILE_PATH, storage).success()
    assert.is(success.path, path)
    assert.is(success.answers[0], 'HEAD 200', 'it goes on from the URL that was kept')
    await assertArrived(stored, success)
  },
}

const takenBack: Way = {
  // In the middle of the headers of a DELETE.
  cutAfterBytes: 60,
  silenceEndsAt: 'proxy',
  lost: [STORED],
  run: async (line) => {
    const { server, stored, proxy, url, trouble, arm } = line
    proxy.fail('silence', 3 * MIB)
    const { upload } = sendAbortable(url)
    const path = await silentHalfway(line)
    arm()
    const error: unknown = await upload.abort(true).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    // Who did not hear the 204 asks again; then there is nothing any more.
    const status = error instanceof DetailedError ? error.originalResponse?.getStatus() : error
    assert.is(status, trouble?.direction === 'answer' ? 404 : undefined)
    assert.is((await tus.head(server, path)).status, 404)
    assert.equal(await stored.ids(), [])
    await eventually(WITHIN_MS, 'the terminated row', async () => {
      return (await stored.rows()).get(idOf(path))?.state === 'terminated' ? true : undefined
    })
  },
}

/** Starts an upload of the file that can be aborted and started again. */
function sendAbortable(url: string): { upload: Upload; success: Promise<Success> } {
  const ends: { resolve?: (success: Success) => void; reject?: (error: Error) => void } = {}
  const success = new Promise<Success>((resolve, reject) => Object.assign(ends, { resolve, reject }))
  success.catch(() => {})
  const upload = new Upload(createReadStream(FILE_PATH), {
    endpoint: url,
    onError: (error) => ends.reject?.(error),
    onSuccess: ({ lastResponse }) => {
      ends.resolve?.({ path: pathOf(upload), digest: lastResponse.getHeader('Repr-Digest'), answers: [] })
    },
  })
  upload.start()
  return { upload, success }
}

const WAYS: Readonly<Record<string, Way>> = {
  'default options': uploading({}),
  'chunks of 8 MiB': uploading({ chunkSize: 8 * MIB }),
  'four parallel uploads': uploading({ parallelUploads: 4 }),
  'four parallel uploads in chunks of 2 MiB': uploading({ parallelUploads: 4, chunkSize: 2 * MIB }),
  'a stream of unknown length': uploading(
    { uploadLengthDeferred: true, chunkSize: 8 * MIB },
    [CREATED, STORED],
    () => Readable.from(pieces(FILE), { objectMode: false }),
  ),
  'all data during creation': uploading({ uploadDataDuringCreation: true }, [CREATED]),
  'data during creation, then chunks': uploading({ uploadDataDuringCreation: true, chunkSize: 8 * MIB }),
  'POST for PATCH': uploading({ overridePatchMethod: true }),
  'an abort, and a start again': goneOn,
  'a kill -9 of the client, and another process': goneOnInAnotherProcess,
  'abort(true)': takenBack,
}

const TROUBLES: readonly (Trouble | undefined)[] = [
  undefined,
  ...(['request', 'answer'] as const).flatMap((direction) => {
    return (['drop', 'reset', 'stall'] as const).map((fault) => ({ fault, direction }))
  }),
]

function armed(proxy: CuttingProxy, way: Way, trouble: Trouble | undefined): void {
  if (trouble?.direction === 'answer') {
    for (const answer of way.lost) proxy.failAnswer(trouble.fault, answer)
  } else if (trouble) {
    const silent = trouble.fault === 'stall' && way.silenceEndsAt === 'server'
    for (let cut = 0; cut < 2; cut++) proxy.fail(silent ? 'silence' : trouble.fault, way.cutAfterBytes)
  }
}

/** Which ways meet which troubles: by their places in the lists. */
export type Picked = (way: number, trouble: number) => boolean

/**
 * Adds a test for each way and each trouble that `picked` has. `open` gives a place whose server ends a silence after
 * `idleTimeout`.
 */
export function lineTests<T>(
  test: Test<T>,
  open: (context: T, idleTimeout: string) => Promise<LinePlace>,
  picked: Picked = () => true,
): void {
  test.before(() => writeFile(FILE_PATH, pieces(FILE)))
  for (const [at, [name, way]] of Object.entries(WAYS).entries()) {
    for (const [number, trouble] of TROUBLES.entries()) {
      if (!picked(at, number)) continue
      const how = trouble ? `a ${trouble.fault} in the middle of the ${trouble.direction}` : 'a sound line'
      test(`${name}: ${how}`, async (context) => {
        // The server's patience is short where it is what ends a silence, and else longer than any test.
        const place = await open(context, way.silenceEndsAt === 'server' ? '1s' : '10m')
        const { server, stored } = place
        const proxy = await CuttingProxy.open(server.port)
        try {
          const url = server.url.replace(`:${server.port}`, `:${proxy.port}`)
          await way.run({ server, stored, proxy, url, trouble, arm: () => armed(proxy, way, trouble) })
          assert.is(proxy.outstanding, 0, 'all that was to fail has failed')
          proxy.close()
          await place.idle()
        } finally {
          proxy.close()
          await place.end()
        }
      })
    }
  }
}
