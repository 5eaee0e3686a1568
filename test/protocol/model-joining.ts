import { joinAgain, PARTIAL } from '../helpers/parts.js'
import { RawConnection } from '../helpers/raw.js'
import { eventually, locationOf, tus } from '../helpers/server.js'
import { VERSION } from '../helpers/wire.js'
import type { Framing } from './model-checksum.js'
import type { Ending } from './model-ending.js'
import { ModelFinal, storedFinal } from './model-final.js'
import type { ModelPlace, ModelServer } from './model-server.js'
import { answered, ModelUpload } from './model-upload.js'

/** Creates an upload and its model. */
export async function create(
  server: ModelPlace,
  content: Buffer,
  made: { readonly length: number | null; readonly partial: boolean },
): Promise<ModelUpload> {
  const created = await tus.create(server, made.length, made.partial ? PARTIAL : {})
  answered(created, 201)
  return new ModelUpload(new URL(locationOf(created)).pathname, content, made)
}

/** Sends what an upload lacks, in one PATCH; a deferred one gets one byte more and its length. */
export async function complete(server: ModelPlace, upload: ModelUpload, framing: Framing): Promise<void> {
  const { offset, length } = upload
  const bytes = length === null ? 1 : length - offset
  const declares = length === null ? { declares: offset + bytes } : {}
  const answer = await upload.patch(server, { offset, bytes, framing, ...declares })
  upload.length = offset + bytes
  upload.took(answer, bytes)
}

/** Joins the partial upload of a story with others, and holds all of it against the model. */
export async function join(
  server: ModelServer,
  first: ModelUpload,
  ending: Ending,
  contents: readonly Buffer[],
): Promise<void> {
  const all = [first, ...(await others(server.now, ending, contents))]
  const parts = ending.order.flatMap((number) => all[number % all.length] ?? [])
  if (parts.some(({ gone }) => gone)) {
    answered(await joinAgain(server.now, urlsOf(server.now, parts, ending)), 400)
  } else {
    if (!ending.late && !first.whole && !first.gone) await complete(server.now, first, ending.framing)
    await joined(server, all, parts, ending)
  }
  for (const part of all) {
    await part.check(server.now)
    if (!part.gone) answered(await tus.remove(server.now, part.path), 204)
  }
}

async function others(server: ModelPlace, { others, framing }: Ending, contents: readonly Buffer[]) {
  const made: ModelUpload[] = []
  for (const [number, { bytes, late }] of others.entries()) {
    const content = contents[number] ?? Buffer.alloc(0)
    const part = await create(server, content, { length: bytes, partial: true })
    const now = Math.max(0, bytes - late)
    if (now > 0) part.took(await part.patch(server, { offset: 0, bytes: now, framing }), now)
    made.push(part)
  }
  return made
}

async function joined(
  server: ModelServer,
  all: readonly ModelUpload[],
  parts: readonly ModelUpload[],
  ending: Ending,
): Promise<void> {
  const { final, mayKeep } = await make(server, all, parts, ending)
  await final.check(server.now)
  for (const part of new Set(parts)) {
    if (part.whole) continue
    await part.check(server.now)
    await complete(server.now, part, ending.framing)
    await final.check(server.now)
  }
  if (!mayKeep) await final.checkParts(server.now)
  answered(await tus.remove(server.now, final.path), 204)
  answered(await tus.head(server.now, final.path), 404)
  if (mayKeep) await final.settleParts(server.now)
}

/** Makes the final upload, whatever is killed meanwhile. `mayKeep`: it was joined, and the kill kept the rest undone. */
async function make(
  server: ModelServer,
  all: readonly ModelUpload[],
  parts: readonly ModelUpload[],
  ending: Ending,
): Promise<{ final: ModelFinal; mayKeep: boolean }> {
  const urls = urlsOf(server.now, parts, ending)
  const concat = `final;${urls.join(' ')}`
  let joinedBefore = false
  if (ending.kill === 'asked' || ending.kill === 'made') {
    let connection = await ask(server.now, concat)
    if (ending.kill === 'made') {
      await eventually(30_000, 'the final upload', async () => {
        // A server that has just started refuses; a client asks again.
        if (connection.status === 503) {
          connection.raw.socket.destroy()
          connection = await ask(server.now, concat)
        }
        return storedFinal(server.now, concat, all)
      })
    }
    let path: string | undefined
    await server.restart(async () => {
      path = await storedFinal(server.now, concat, all)
      if (path === undefined) return
      const sidecar = await server.now.stored.sidecarOf(path)
      joinedBefore = sidecar !== undefined && sidecar.sha256 !== null
    })
    connection.raw.socket.destroy()
    if (path !== undefined) return { final: new ModelFinal(path, concat, parts), mayKeep: joinedBefore }
  }
  const answer = await joinAgain(server.now, urls)
  const final = new ModelFinal(new URL(locationOf(answer)).pathname, concat, parts)
  final.made(answer)
  if (ending.kill === 'answered') await server.restart()
  return { final, mayKeep: false }
}

interface Asked {
  readonly raw: RawConnection
  /** Of the answer, once it has come. */
  status: number | undefined
}

/** Asks for a final upload; nobody waits for the answer. */
async function ask(server: ModelPlace, concat: string): Promise<Asked> {
  const raw = await RawConnection.open(server.port)
  const asked: Asked = { raw, status: undefined }
  await raw.head('POST /files', [VERSION, `Upload-Concat: ${concat}`])
  raw.answer().then(
    ({ status }) => {
      asked.status = status
    },
    () => {},
  )
  return asked
}

function urlsOf(server: ModelPlace, parts: readonly ModelUpload[], { relative }: Ending): string[] {
  return parts.map(({ path }) => (relative ? path : `${server.origin}${path}`))
}
