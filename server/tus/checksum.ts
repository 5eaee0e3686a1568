import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { UploadError } from '../errors.js'
import type { Checksum, ExpectedChecksum, UnannouncedChecksum } from '../model/checksum.js'
import { headerOf } from './checks.js'

export interface ChecksumTools {
  /** The algorithms, and the bytes of each one's digest. */
  readonly digestBytes: Readonly<Record<string, number>>
  /** Called with the algorithm of a checksum that counts as none. */
  readonly ignored: (algorithm: string) => void
}

const NAME = 'upload-checksum'

/**
 * The checksum of a request's body, in its headers or announced for its trailer (tus 1.0.0, checksum and
 * checksum-trailer); null where there is none. Throws checksum_invalid.
 */
export function checksumOf(request: IncomingMessage, tools: ChecksumTools): ExpectedChecksum | null {
  const header = headerOf(request, NAME)
  const announced = headerOf(request, 'trailer')?.split(',') ?? []
  if (announced.some((name) => name.trim().toLowerCase() === NAME)) {
    // Two checksums could contradict each other, and only chunks have a trailer.
    if (header !== undefined || !isChunked(request)) throw twoOrNone()
    const algorithms = Object.keys(tools.digestBytes)
    return { algorithms, ...lateChecksum(() => parse(trailerOf(request), tools)) }
  }
  const given = header === undefined ? null : parse(header, tools)
  if (given === null) return null
  const sent = () => {
    if (trailerOf(request) !== undefined) throw twoOrNone()
    return given
  }
  return { algorithms: [given.algorithm], ...lateChecksum(sent) }
}

/**
 * The checksum that a body may have in a trailer although no header announced it, which HTTP allows
 * (RFC 9110, section 6.6.2: a sender only SHOULD); null where no trailer can come.
 */
export function unannouncedOf(request: IncomingMessage, tools: ChecksumTools): UnannouncedChecksum | null {
  if (!isChunked(request)) return null
  return {
    // Before the end of the body is read, a body that was stopped could be taken for a whole one.
    hasCome: () => request.readableEnded && trailerOf(request) !== undefined,
    ...lateChecksum(() => parse(trailerOf(request), tools)),
  }
}

function lateChecksum(sent: () => Checksum | null): Pick<ExpectedChecksum, 'sent' | 'isOfNothing'> {
  return {
    sent,
    isOfNothing: () => {
      const checksum = sent()
      return checksum === null || isOfNothing(checksum)
    },
  }
}

function isChunked(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined
}

/** An empty trailer is an absent one. */
function trailerOf(request: IncomingMessage): string | undefined {
  const text = request.trailers[NAME]?.trim()
  return text === '' ? undefined : text
}

function twoOrNone(): UploadError {
  return new UploadError('checksum_invalid', { detail: 'trailer' })
}

function isOfNothing({ algorithm, digest }: Checksum): boolean {
  const ofNothing = algorithm === 'crc32' ? '00000000' : createHash(algorithm).digest('hex')
  return digest === ofNothing
}

function parse(text: string | undefined, { digestBytes, ignored }: ChecksumTools): Checksum | null {
  const [, name = '', value = ''] = /^(\S+)[ \t]+(\S+)$/.exec(text?.trim() ?? '') ?? []
  const algorithm = name.toLowerCase()
  const bytes = Object.hasOwn(digestBytes, algorithm) ? digestBytes[algorithm] : undefined
  const digest = bytes === undefined ? undefined : readDigest(value, bytes)
  if (digest === undefined) throw new UploadError('checksum_invalid', { detail: algorithm.slice(0, 20) })
  if (digest !== null) return { algorithm, digest }
  ignored(algorithm)
  return null
}

/**
 * A digest of so many bytes as lower-case hex, from Base64 or bare hex; null for Base64 of hex, undefined for
 * what is none of these. Clients that send Base64 of hex send the digest of the whole file with each part of
 * it: it says nothing about the body.
 */
function readDigest(value: string, bytes: number): string | null | undefined {
  if (isHex(value, bytes)) return value.toLowerCase()
  const decoded = Buffer.from(value, 'base64')
  if (decoded.toString('base64') !== value) return undefined
  if (decoded.length === bytes) return decoded.toString('hex')
  return isHex(decoded.toString('latin1').trim(), bytes) ? null : undefined
}

function isHex(text: string, bytes: number): boolean {
  return text.length === 2 * bytes && /^[0-9a-f]+$/i.test(text)
}
