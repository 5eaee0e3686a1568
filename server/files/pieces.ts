import { readSync } from 'node:fs'
import { BytesFault } from '../model/engine-error.js'

const READ_BYTES = 256 * 1024
let readBuffer: Buffer | undefined

/**
 * A file's bytes between two places, in pieces that are good until the next is asked for; one file at a time.
 * Throws BytesFault where the file ends before, and the system's error.
 */
export function* readPieces(fd: number, from: number, to: number): Generator<Uint8Array> {
  readBuffer ??= Buffer.alloc(READ_BYTES)
  for (let at = from; at < to; ) {
    const got = readSync(fd, readBuffer, 0, Math.min(READ_BYTES, to - at), at)
    if (got === 0) throw new BytesFault('DAMAGED', `the file ends at byte ${at}, before byte ${to}`)
    yield readBuffer.subarray(0, got)
    at += got
  }
}
