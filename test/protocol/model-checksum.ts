import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'

const ALGORITHMS = ['sha1', 'sha256', 'sha512', 'md5', 'crc32'] as const

/** Upload-Checksum of a request: by which algorithm, in which form, and where. */
export interface Sum {
  readonly algorithm: (typeof ALGORITHMS)[number]
  /** In a header, or in a trailer that a header announces or does not. */
  readonly place: 'header' | 'announced' | 'trailer'
  readonly form: 'base64' | 'hex' | 'HEX'
}

/** How a body is sent. */
export interface Framing {
  readonly chunked: boolean
  readonly sum: Sum | null
}

/** How a body is sent under a checksum. */
export interface SummedFraming extends Framing {
  readonly sum: Sum
}

/** What is wrong with a checksum: the body is another, or the digest is. */
export type Fault = 'body' | 'digest'

const chunked = fc.boolean()
const place = fc.constantFrom('header' as const, 'announced' as const, 'trailer' as const)
const form = fc.constantFrom('base64' as const, 'hex' as const, 'HEX' as const)
const algorithm = fc.constantFrom(...ALGORITHMS)

export const summedFraming: fc.Arbitrary<SummedFraming> = fc
  .record({ chunked, algorithm, place, form })
  // Only chunks have a trailer.
  .map(({ chunked, ...sum }) => ({ chunked: chunked || sum.place !== 'header', sum }))

export const framing: fc.Arbitrary<Framing> = fc.oneof(
  chunked.map((value) => ({ chunked: value, sum: null })),
  summedFraming,
)

/** Bytes of a body count only once its checksum is verified; before one that nothing announced they count as they come. */
export function countsAtItsEnd({ sum }: Framing): boolean {
  return sum !== null && sum.place !== 'trailer'
}

/** Values that are none, by the checksum that was meant; undefined stands for a trailer that never comes. */
const MALFORMED: readonly ((right: string, algorithm: string) => string | undefined)[] = [
  (right) => right.slice(0, -1),
  (right) => right.replace(' ', ','),
  (right) => right.replace(/^\S+/, '$&:'),
  (right) => `${right}, ${right}`,
  (right) => right.replace(/^\S+/, 'blake3'),
  (_, algorithm) => algorithm,
  (_, algorithm) => `${algorithm} AAAA`,
  () => '',
  () => undefined,
]

/** Which of the malformed values it is. */
export const malformation = fc.nat(MALFORMED.length - 1)

/** A value that is no checksum; undefined for none at all, which is an error only where it was announced. */
export function malformedValue(number: number, { algorithm, place }: Sum, body: Uint8Array) {
  const right = `${algorithm} ${base64Of(algorithm, body)}`
  const value = MALFORMED[number]?.(right, algorithm)
  return place === 'announced' ? value : value || ','
}

/** The value of Upload-Checksum for a body; a faulty digest is wrong in its last bit. */
export function checksumValue({ algorithm, form }: Sum, body: Uint8Array, fault?: Fault): string {
  const digest = digestOf(algorithm, body)
  const last = digest.length - 1
  if (fault === 'digest') digest.writeUInt8(digest.readUInt8(last) ^ 1, last)
  if (form === 'base64') return `${algorithm} ${digest.toString('base64')}`
  const text = `${algorithm} ${digest.toString('hex')}`
  return form === 'HEX' ? text.toUpperCase() : text
}

/**
 * Another body of the same length: the first bytes differ, so that at the start of an upload, where the model's
 * bytes are zeros, they look like those of a JPEG.
 */
export function otherBody(body: Uint8Array): Buffer {
  const other = Buffer.from(body)
  for (const [at, mask] of [0xff, 0xd8, 0xff].entries()) {
    if (at < other.length) other.writeUInt8(other.readUInt8(at) ^ mask, at)
  }
  return other
}

function base64Of(algorithm: string, body: Uint8Array): string {
  return digestOf(algorithm, body).toString('base64')
}

function digestOf(algorithm: string, body: Uint8Array): Buffer {
  if (algorithm !== 'crc32') return createHash(algorithm).update(body).digest()
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(body))
  return bytes
}
