import { tus } from '../helpers/server.js'
import { countsAtItsEnd, type Framing } from './model-checksum.js'
import type { ModelServer } from './model-server.js'
import { BLOCK_BYTES } from './model-sizes.js'
import type { Step } from './model-steps.js'
import { answered, type ModelUpload } from './model-upload.js'

const TOO_LONG_BYTES = 2 ** 40
const PLAIN = { chunked: false, sum: null }

type Request<Kind extends Step['kind']> = (
  server: ModelServer,
  upload: ModelUpload,
  step: Step & { kind: Kind },
) => Promise<void>

const REQUESTS: { [Kind in Step['kind']]: Request<Kind> } = {
  patch: async (server, upload, { bytes, framing, extra }) => {
    const { offset } = upload
    const fit = upload.room(bytes)
    const answer = await upload.patch(server.now, { offset, bytes: fit, framing, extra })
    if (!extra || answer.status === 204) return upload.took(answer, fit)
    // The parser may meet what is no request before the body's end is answered; the body counts all the same.
    answered(answer, 400)
    await upload.settle(server.now, offset, offset + fit)
    if (countsAtItsEnd(framing)) upload.isOneOf(offset, offset + fit)
  },

  'wrong offset': async (server, upload, { bytes, framing, by }) => {
    const offset = Math.max(0, upload.offset + by)
    if (offset === upload.offset) return
    answered(await upload.patch(server.now, { offset, bytes, framing }), 409)
  },

  overrun: async (server, upload, { over, framing }) => {
    const { offset, length, whole } = upload
    if (length === null) return
    const answer = await upload.patch(server.now, { offset, bytes: length - offset + over, framing })
    answered(answer, 413)
    // A declared length is refused before a byte; of chunks, what fits is stored.
    if (!framing.chunked || countsAtItsEnd(framing) || whole) return
    await keepsWhatFits(server, upload, length, framing)
  },

  cut: async (server, upload, { bytes, share, framing, by }) => {
    const fit = upload.room(bytes)
    if (fit === 0) return
    const only = part(fit, share, framing)
    const { offset } = upload
    const connection = await upload.send(server.now, { offset, bytes: fit, framing, only })
    await server.now.underWay(upload.path)
    // Bytes that must not count are let into the file first, where that takes no waiting.
    if (countsAtItsEnd(framing) && only > BLOCK_BYTES) await upload.arrived(server.now)
    if (by === 'reset') connection.cut()
    if (by === 'end') connection.socket.end()
    await upload.settle(server.now, offset, countsAtItsEnd(framing) ? offset : offset + only)
    connection.socket.destroy()
  },

  empty: async (server, upload, { framing }) => {
    const answer = await upload.patch(server.now, { offset: upload.offset, bytes: 0, framing })
    upload.took(answer, 0)
  },

  mismatch: async (server, upload, { bytes, framing, fault, room }) => {
    const { offset } = upload
    const { declares, fit } = fitted(upload, bytes, room)
    const wrong = fit === 0 ? 'digest' : fault
    const answer = await upload.patch(server.now, { offset, bytes: fit, framing, fault: wrong, ...declares })
    answered(answer, 460)
  },

  malformed: async (server, upload, { bytes, framing, value, room }) => {
    const { offset } = upload
    const { declares, fit } = fitted(upload, bytes, room)
    const answer = await upload.patch(server.now, {
      ...{ offset, bytes: fit, framing, malformed: value },
      ...declares,
    })
    answered(answer, 400)
  },

  declare: async (server, upload, { room, bytes, framing, again }) => {
    const { offset, length } = upload
    const declares = again && length !== null ? length : offset + room
    if (declares < 0) return
    if (declares === length) {
      // What is known already may come again, with a body or without.
      const fit = Math.min(length - offset, bytes)
      upload.took(await upload.patch(server.now, { offset, bytes: fit, framing, declares }), fit)
      return
    }
    if (length !== null || room < 0) {
      answered(await upload.patch(server.now, { offset, bytes: 0, framing, declares }), 400)
      return
    }
    const tooLong = await upload.patch(server.now, { offset, bytes: 0, framing, declares: TOO_LONG_BYTES })
    answered(tooLong, 413)
    const fit = Math.min(room, bytes)
    const answer = await upload.patch(server.now, { offset, bytes: fit, framing, declares })
    upload.length = declares
    upload.took(answer, fit)
  },

  'declare and overrun': async (server, upload, { room, over, framing }) => {
    const { offset, length } = upload
    if (length !== null) return
    const declares = offset + room
    const answer = await upload.patch(server.now, { offset, bytes: room + over, framing, declares })
    answered(answer, 413)
    // With its body refused unread the request did nothing; of chunks, what fits is stored. The length is not kept.
    if (framing.chunked && !countsAtItsEnd(framing)) await keepsWhatFits(server, upload, declares, framing)
  },

  head: async () => {},

  delete: async (server, upload) => {
    answered(await tus.remove(server.now, upload.path), 204)
    upload.gone = true
  },

  kill: async (server, upload, { bytes, share, framing }) => {
    const { offset } = upload
    const fit = upload.room(bytes)
    const only = part(fit, share, framing)
    const connection =
      fit > 0 ? await upload.send(server.now, { offset, bytes: fit, framing, only }) : undefined
    if (countsAtItsEnd(framing) && only > 0) await upload.arrived(server.now)
    await server.restart()
    connection?.socket.destroy()
    await upload.settle(server.now, offset, countsAtItsEnd(framing) ? offset : offset + only)
  },

  'patch and kill': async (server, upload, { bytes, framing }) => {
    const fit = upload.room(bytes)
    const answer = await upload.patch(server.now, { offset: upload.offset, bytes: fit, framing })
    await server.restart()
    upload.took(answer, fit)
  },
}

/** Takes one step of a story; of an upload that is gone, every request is answered 404. */
export async function take<Kind extends Step['kind']>(
  server: ModelServer,
  upload: ModelUpload,
  step: Step & { kind: Kind },
): Promise<void> {
  if (!upload.gone) await REQUESTS[step.kind](server, upload, step)
  else if (step.kind !== 'kill' && step.kind !== 'patch and kill') {
    answered(await upload.patch(server.now, { offset: 0, bytes: 1, framing: PLAIN }), 404)
    answered(await tus.remove(server.now, upload.path), 404)
  }
  await upload.check(server.now)
}

/** The bytes of a body that is sent in part; of chunks these may be all, and what ends them is missing. */
function part(bytes: number, share: number, { chunked }: Framing): number {
  return Math.min(Math.max(0, chunked ? bytes : bytes - 1), Math.floor(share * bytes))
}

/** After a body of chunks that ran over `end`: what fits is stored, unless a checksum in its trailer comes in time. */
async function keepsWhatFits(server: ModelServer, upload: ModelUpload, end: number, { sum }: Framing) {
  const { offset } = upload
  await upload.settle(server.now, offset, end)
  upload.isOneOf(...(sum === null ? [end] : [offset, end]))
}

/** A body that fits, and Upload-Length with it where one can come: a request that would be taken, were it right. */
function fitted(upload: ModelUpload, bytes: number, room: number | null) {
  const fit = upload.room(room === null || upload.length !== null ? bytes : Math.min(room, bytes))
  const declares = room === null || upload.length !== null ? {} : { declares: upload.offset + room }
  return { declares, fit }
}
