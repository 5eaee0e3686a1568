import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { UploadError } from '../errors.js'
import { headerOf } from './checks.js'

/** The digest a client sent; lower-case hex. */
export interface Checksum {
  readonly algorithm: string
  readonly digest: string
}

/** What a body must match. */
export interface Checked {
  /** What is to be computed: one algorithm, or all where only the trailer will name it. */
  readonly algorithms: readonly string[]
  /** The checksum, once the body is over. Throws checksum_invalid where a trailer has none that can be read. */
  sent(): Checksum
  /** Tells whether that is the checksum of no bytes. Throws as `sent` does. */
  isOfNothing(): boolean
}

const NAME = 'upload-checksum'

/**
 * The checksum of a request's body, in its headers or announced for its trailer (tus 1.0.0, checksum and
 * checksum-trailer); null where there is none. `digestBytes` has the algorithms. Throws checksum_invalid.
 */
export function checksumOf(
  request: IncomingMessage,
  digestBytes: Readonly<Record<string, number>>,
): Checked | null {
  const header = headerOf(request, NAME)
  const announced = headerOf(request, 'trailer')?.split(',') ?? []
  const inTrailer = announced.some((name) => name.trim().toLowerCase() === NAME)
  if (header === undefined && !inTrailer) return null
  if (!inTrailer) {
    const sent = parse(header, digestBytes)
    return { algorithms: [sent.algorithm], sent: () => sent, isOfNothing: () => isOfNothing(sent) }
  }
  // Two checksums could contradict each other, and only chunks have a trailer.
  const isChunked = request.headers['transfer-encoding'] !== undefined
  if (header !== undefined || !isChunked) throw new UploadError('checksum_invalid', { detail: 'trailer' })
  const sent = () => parse(request.trailers[NAME], digestBytes)
  return { algorithms: Object.keys(digestBytes), sent, isOfNothing: () => isOfNothing(sent()) }
}

function isOfNothing({ algorithm, digest }: Checksum): boolean {
  const ofNothing = algorithm === 'crc32' ? '00000000' : createHash(algorithm).digest('hex')
  return digest === ofNothing
}

function parse(text: string | undefined, digestBytes: Readonly<Record<string, number>>): Checksum {
  const [, algorithm = '', base64 = ''] = /^(\S+) (\S+)$/.exec(text ?? '') ?? []
  const digest = Buffer.from(base64, 'base64')
  const isKnown = Object.hasOwn(digestBytes, algorithm) && digest.length === digestBytes[algorithm]
  if (!isKnown || digest.toString('base64') !== base64) {
    throw new UploadError('checksum_invalid', { detail: algorithm.slice(0, 20) })
  }
  return { algorithm, digest: digest.toString('hex') }
}
