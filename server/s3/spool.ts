import { mkdir, open, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from '../errors.js'
import { BytesFault } from '../model/engine-error.js'
import { FileBody, type FileRange, piecesOf } from './file-body.js'

/** A segment is full at so many bytes, or at this part of a part that is larger. */
const SEGMENT_BYTES = 8 * 1024 * 1024
const SEGMENTS_A_PART = 8
/** Folders, one of which each segment of an upload is in: more than an upload has segments at once. */
const FOLDERS = 64

/** A file whose bytes stand where they stand in the upload; what is before them is a hole. */
interface Segment {
  readonly path: string
  readonly from: number
  to: number
}

/** The scratch folder, emptied. Rejects with the system's error. */
export async function emptyScratch(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  for (let i = 0; i < FOLDERS; i++) await mkdir(join(folder, `${i}`), { recursive: true, mode: 0o750 })
}

/**
 * The bytes of an upload that are on their way to the bucket, as files in the scratch folder: the last bytes of those
 * that came. A thread writes them; files are removed once all their bytes are stored.
 */
export class Spool {
  readonly #folder: string
  readonly #id: string
  readonly #closeFile: () => Promise<void>
  #segments: Segment[] = []
  #made = 0
  #from: number

  /** It is empty, and begins at `from`. `closeFile` closes the file that a thread has open. */
  constructor(folder: string, id: string, from: number, closeFile: () => Promise<void>) {
    this.#folder = folder
    this.#id = id
    this.#from = from
    this.#closeFile = closeFile
  }

  /** Where its bytes begin. */
  get from(): number {
    return this.#segments[0]?.from ?? this.#from
  }

  /** Where they end. */
  get to(): number {
    return this.#segments.at(-1)?.to ?? this.#from
  }

  /** The file that the next bytes go to, behind those that it has. Rejects with the system's error. */
  async next(partBytes: number): Promise<string> {
    const last = this.#segments.at(-1)
    const most = Math.max(SEGMENT_BYTES, partBytes / SEGMENTS_A_PART)
    if (last && last.to - last.from < most) return last.path
    if (last) await this.#closeFile()
    return (await this.#add()).path
  }

  /** So many bytes were, or are being, written behind the others. */
  grow(bytes: number): void {
    const last = this.#segments.at(-1)
    if (last) last.to += bytes
  }

  /**
   * Forgets everything, and has the bytes from `from` to `to` instead, which are stored. Where it cannot get them, it is
   * empty and begins behind them: it rejects as they do, and with BytesFault where there are fewer.
   */
  async refill({ from, to }: { from: number; to: number }, pieces: AsyncIterable<Buffer>): Promise<void> {
    await this.restart(from)
    try {
      const segment = await this.#add()
      const file = await open(segment.path, 'r+')
      try {
        for await (const chunk of pieces) {
          const { bytesWritten } = await file.write(chunk, 0, chunk.length, segment.to)
          segment.to += bytesWritten
        }
      } finally {
        await file.close()
      }
      if (segment.to !== to) throw new BytesFault('DAMAGED', 'an object is shorter than it was')
    } catch (error) {
      await this.restart(to)
      throw error
    }
  }

  /** Bytes of it, which it must have, as the body of a request. Throws BytesFault where it does not. */
  body(from: number, to: number): FileBody {
    return new FileBody(this.#ranges(from, to))
  }

  /** The same, to be read here; see piecesOf. */
  pieces(from: number, to: number): AsyncGenerator<Buffer> {
    return piecesOf(this.#ranges(from, to))
  }

  /** Removes the files all of whose bytes stand before `position`. */
  async release(position: number): Promise<void> {
    // The last one is being written.
    while (this.#segments.length > 1) {
      const [first] = this.#segments
      if (!first || first.to > position) return
      this.#segments.shift()
      await unlink(first.path).catch(unlessMissing)
    }
  }

  /** Forgets what is behind `to`. The file that ends there then, to be cut; undefined where it has no bytes before `to`. */
  async cut(to: number): Promise<string | undefined> {
    await this.#closeFile()
    for (let last = this.#segments.at(-1); last && last.from > to; last = this.#segments.at(-1)) {
      this.#segments.pop()
      await unlink(last.path).catch(unlessMissing)
    }
    const last = this.#segments.at(-1)
    if (last) last.to = Math.min(last.to, to)
    else this.#from = to
    return last?.path
  }

  /** Forgets everything, and begins again at `from`. */
  async restart(from: number): Promise<void> {
    await this.#closeFile()
    const segments = this.#segments
    this.#segments = []
    this.#from = from
    for (const { path } of segments) await unlink(path).catch(unlessMissing)
  }

  async #add(): Promise<Segment> {
    const from = this.to
    const path = join(this.#folder, `${this.#made % FOLDERS}`, this.#id)
    this.#made += 1
    const file = await open(path, 'w', 0o640)
    try {
      await file.truncate(from)
    } catch (error) {
      await unlink(path)
      throw error
    } finally {
      await file.close()
    }
    const segment = { path, from, to: from }
    this.#segments.push(segment)
    return segment
  }

  /** Where these bytes stand in its files. */
  #ranges(from: number, to: number): FileRange[] {
    const ranges: FileRange[] = []
    let at = from
    for (const segment of this.#segments) {
      const end = Math.min(to, segment.to)
      if (end <= at || segment.from > at) continue
      ranges.push({ path: segment.path, from: at, to: end })
      at = end
    }
    if (at !== to) throw new BytesFault('DAMAGED', 'bytes in the scratch folder are gone')
    return ranges
  }
}
