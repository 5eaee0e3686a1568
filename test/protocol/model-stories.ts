import fc from 'fast-check'
import { PseudoFile } from '../helpers/sender.js'
import { tus } from '../helpers/server.js'
import type { Ending } from './model-ending.js'
import { complete, create, join } from './model-joining.js'
import { take } from './model-requests.js'
import type { ModelServer } from './model-server.js'
import { MOST_BYTES } from './model-sizes.js'
import { story } from './model-steps.js'
import { answered, type ModelUpload } from './model-upload.js'

const MOST_STORIES = 2_000
/** More than any story can bring. */
const CONTENT_BYTES = 16 * MOST_BYTES

const seed = Number(process.env.MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** The path to a failed and shrunk story, as fast-check prints it. */
const path = process.env.MODEL_PATH

/** What is sent into the upload of a story, and into the other parts of a joined one. */
const content = contentOf(seed, CONTENT_BYTES)
const others = [contentOf(seed + 1, MOST_BYTES), contentOf(seed + 2, MOST_BYTES)]

function contentOf(own: number, bytes: number): Buffer {
  const file = new PseudoFile(own, bytes)
  return Buffer.concat(Array.from({ length: bytes / 2 ** 18 }, (_, i) => file.read(i * 2 ** 18, bytes)))
}

/** Brings an upload to its end, whatever became of it, and holds the file against what was sent. */
async function conclude(server: ModelServer, upload: ModelUpload, { framing }: Ending): Promise<void> {
  if (upload.gone) return
  await complete(server.now, upload, framing)
  await upload.check(server.now)
  await upload.checkBytes(server.now)
  answered(await tus.remove(server.now, upload.path), 204)
}

/** Tells stories of one upload and its joining for so many milliseconds, and holds a server against its model. */
export async function tellStories(server: ModelServer, timeMs: number): Promise<void> {
  console.log(`model: MODEL_SEED=${seed}`)
  const until = Date.now() + timeMs
  let stories = 0
  const property = fc.asyncProperty(story, async ({ partial, length, steps, ending }) => {
    // Looked at here, because fast-check's own limit would leave the story it ends running on.
    if (Date.now() > until) return
    stories += 1
    const upload = await create(server.now, content, { length, partial })
    await upload.check(server.now)
    for (const step of steps) await take(server, upload, step)
    if (partial) await join(server, upload, ending, others)
    else await conclude(server, upload, ending)
  })
  await fc.assert(property, {
    seed,
    ...(path === undefined ? {} : { path }),
    numRuns: MOST_STORIES,
    endOnFailure: path !== undefined,
    includeErrorInReport: true,
  })
  console.log(`model: ${stories} stories`)
  await server.unharmed()
}
