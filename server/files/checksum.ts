import { createHash, type Hash } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** The algorithms of Upload-Checksum and the bytes of each one's digest (tus 1.0.0, checksum). */
export const CHECKSUM_BYTES = { sha1: 20, sha256: 32, sha512: 64, md5: 16, crc32: 4 } as const

/** The digests of one request's bytes while they pass, one for each algorithm that was asked for. */
export class RunningChecksums {
  readonly #hashes = new Map<string, Hash>()
  #crc: number | undefined

  constructor(algorithms: readonly string[]) {
    for (const algorithm of algorithms) {
      if (algorithm === 'crc32') this.#crc = 0
      else this.#hashes.set(algorithm, createHash(algorithm))
    }
  }

  /** Takes bytes in. */
  update(bytes: Uint8Array): void {
    for (const hash of this.#hashes.values()) hash.update(bytes)
    if (this.#crc !== undefined) this.#crc = crc32(bytes, this.#crc)
  }

  /** The digest in lower-case hex, once; undefined for an algorithm that was not asked for. CRC-32 has its high byte first. */
  digest(algorithm: string): string | undefined {
    if (algorithm === 'crc32') return this.#crc?.toString(16).padStart(8, '0')
    return this.#hashes.get(algorithm)?.digest('hex')
  }
}
