import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BytesFault } from '../../server/model/engine-error.js'
import { FileBody, type FileRange, piecesOf } from '../../server/s3/file-body.js'
import { temporaryFolder } from '../helpers/server.js'

const SIZES = [700_000, 1, 300_000]

/** Files of random bytes, and ranges that leave out the first and the last byte of all of them. */
function files(): { ranges: FileRange[]; bytes: Buffer; folder: string } {
  const folder = temporaryFolder()
  const all = SIZES.map((size) => randomBytes(size))
  const ranges = all.map((bytes, i) => {
    const path = join(folder, `${i}`)
    writeFileSync(path, bytes)
    return { path, from: i === 0 ? 1 : 0, to: bytes.length - (i === 2 ? 1 : 0) }
  })
  return { ranges, bytes: Buffer.concat(all).subarray(1, -1), folder }
}

/** Whether this process has a file of the folder open. */
function isOpen(folder: string): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
    } catch {
      // The one that read the folder.
      return false
    }
  })
}

/** Keeps each piece as it came until `release`, as a socket does, and notes what is in it then. */
class SlowDestination extends Writable {
  readonly seen: Buffer[] = []
  #kept: Buffer | undefined
  #done: (() => void) | undefined

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.#kept = piece
    this.#done = done
    this.emit('piece')
  }

  release(): void {
    if (this.#kept) this.seen.push(Buffer.from(this.#kept))
    this.#done?.()
  }
}

test('pieces of several files come in order, in two buffers', async () => {
  const { ranges, bytes, folder } = files()
  const memory = new Set<ArrayBufferLike>()
  const seen: Buffer[] = []
  for await (const piece of piecesOf(ranges)) {
    memory.add(piece.buffer)
    seen.push(Buffer.from(piece))
  }
  assert.ok(Buffer.concat(seen).equals(bytes))
  assert.ok(memory.size <= 2, `${memory.size} buffers`)
  assert.not(isOpen(folder))
})

test('a destination that keeps a piece has it unchanged until it is done with it', async () => {
  const { ranges, bytes, folder } = files()
  const slow = new SlowDestination()
  const ended = once(slow, 'finish')
  const body = new FileBody(ranges)
  slow.on('piece', () => {
    // Whatever is read meanwhile has had its time.
    setTimeout(() => slow.release(), 5)
  })
  const atEnd = once(body, 'end')
  body.pipe(slow)
  await Promise.all([ended, atEnd])
  assert.ok(Buffer.concat(slow.seen).equals(bytes))
  assert.not(isOpen(folder))
})

test('who reads it in another way has each piece for good', async () => {
  const { ranges, bytes, folder } = files()
  assert.ok((await buffer(new FileBody(ranges))).equals(bytes))
  assert.not(isOpen(folder))
})

test('it fails where a file has become shorter', async () => {
  const { ranges } = files()
  truncateSync(ranges[2]?.path ?? '', 10)
  const body = new FileBody(ranges)
  const slow = new SlowDestination().on('piece', () => slow.release())
  body.pipe(slow)
  const [error] = await once(body, 'error')
  assert.instance(error, BytesFault)
  assert.not(slow.writableEnded)
})

test('one that is given up closes its file, also where the destination never answers', async () => {
  const { ranges, folder } = files()
  const body = new FileBody(ranges)
  const slow = new SlowDestination()
  const come = once(slow, 'piece')
  body.pipe(slow)
  await come
  assert.ok(isOpen(folder))
  const closed = once(body, 'close')
  body.destroy()
  await closed
  assert.not(isOpen(folder))
})

test.run()
