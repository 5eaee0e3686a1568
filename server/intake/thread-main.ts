import { createHash, type Hash } from 'node:crypto'
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { workerData } from 'node:worker_threads'
import type {
  AppendResult,
  AppendTask,
  CreateTask,
  DigestTask,
  ProveResult,
  ProveTask,
  ReplaceTask,
  ThreadTask,
  TruncateTask,
} from './thread-tasks.js'

/**
 * The thread that touches file bytes: it writes blocks of the arena and digests them while they are in
 * the processor's cache. What may take long without using the processor (flushing) is asynchronous, so
 * that other uploads go on; the rest is synchronous, so that a task is never half done.
 */

interface Rolling {
  readonly hash: Hash
  /** Bytes taken into the hash so far. */
  offset: number
}

const FILE_MODE = 0o640
const FOLDER_MODE = 0o750
const READ_BYTES = 256 * 1024

const rolling = new Map<string, Rolling>()
const arena = openArena(workerData)
let readBuffer: Buffer | undefined

const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)

function openArena(data: unknown): { bytes: Uint8Array; blockBytes: number } {
  if (typeof data !== 'object' || data === null || !('shared' in data) || !('blockBytes' in data)) {
    throw new Error('the digest thread was started without an arena')
  }
  if (!(data.shared instanceof SharedArrayBuffer) || typeof data.blockBytes !== 'number') {
    throw new Error('the digest thread was started with something that is not an arena')
  }
  return { bytes: new Uint8Array(data.shared), blockBytes: data.blockBytes }
}

/** Does one task; the pool calls this. */
export default function run(task: ThreadTask): unknown {
  switch (task.kind) {
    case 'append':
      return append(task)
    case 'prove':
      return prove(task)
    case 'digest':
      return digest(task)
    case 'create':
      return create(task)
    case 'replace':
      return replace(task)
    case 'truncate':
      return truncate(task)
    case 'remove':
      return remove(task.paths)
    case 'forget':
      return rolling.delete(task.id)
  }
}

function append(task: AppendTask): AppendResult {
  const state = rollingAt(task.id, task.position)
  let end = task.position
  if (task.blocks.length > 0) {
    const fd = openToWrite(task.path)
    if (typeof fd !== 'number') return { live: false, sha256: null, error: fd }
    try {
      for (const block of blocksOf(task)) end = writeWhole(fd, block, end)
    } catch (error) {
      fs.ftruncateSync(fd, task.position)
      return { live: state !== undefined, sha256: null, error: describe(error) }
    } finally {
      fs.closeSync(fd)
    }
  }
  if (state) {
    for (const block of blocksOf(task)) state.hash.update(block)
    state.offset = end
  }
  const sha256 = state && task.digest !== 'none' ? digestOf(task.id, state, task.digest === 'final') : null
  return { live: state !== undefined, sha256, error: null }
}

function digestOf(id: string, state: Rolling, final: boolean): string {
  if (!final) return state.hash.copy().digest('hex')
  rolling.delete(id)
  return state.hash.digest('hex')
}

/** The rolling digest of an upload if it stands at `offset`; a new one at the start of an upload. */
function rollingAt(id: string, offset: number): Rolling | undefined {
  const state = rolling.get(id)
  if (state?.offset === offset) return state
  if (offset !== 0) return undefined
  const fresh = { hash: createHash('sha256'), offset: 0 }
  rolling.set(id, fresh)
  return fresh
}

function* blocksOf(task: AppendTask): Generator<Uint8Array> {
  for (let i = 0; i + 1 < task.blocks.length; i += 2) {
    const start = (task.blocks[i] ?? 0) * arena.blockBytes
    yield arena.bytes.subarray(start, start + (task.blocks[i + 1] ?? 0))
  }
}

function openToWrite(path: string): number | { code: string; message: string } {
  try {
    return fs.openSync(path, 'r+')
  } catch (error) {
    return describe(error)
  }
}

function writeWhole(fd: number, bytes: Uint8Array, position: number): number {
  let done = 0
  while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
  return position + done
}

function describe(error: unknown): { code: string; message: string } {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
  return { code, message: error instanceof Error ? error.message : String(error) }
}

function prove(task: ProveTask): ProveResult {
  const state = rolling.get(task.id) ?? { hash: createHash('sha256'), offset: 0 }
  rolling.set(task.id, state)
  const stop = Math.min(task.to, state.offset + task.budgetBytes)
  let matched = 0
  const fd = fs.openSync(task.path, 'r')
  try {
    for (const checkpoint of task.checkpoints) {
      if (checkpoint.offset <= state.offset) matched = checkpoint.offset
      if (checkpoint.offset <= state.offset || checkpoint.offset > stop) continue
      readOn(fd, state, checkpoint.offset)
      if (state.hash.copy().digest('hex') === checkpoint.sha256) {
        matched = checkpoint.offset
        continue
      }
      rolling.delete(task.id)
      return { offset: state.offset, damagedAfter: matched }
    }
    readOn(fd, state, stop)
  } finally {
    fs.closeSync(fd)
  }
  return { offset: state.offset, damagedAfter: null }
}

function readOn(fd: number, state: Rolling, to: number): void {
  readBuffer ??= Buffer.alloc(READ_BYTES)
  while (state.offset < to) {
    const wanted = Math.min(READ_BYTES, to - state.offset)
    const got = fs.readSync(fd, readBuffer, 0, wanted, state.offset)
    if (got === 0) throw new Error(`the file ends at byte ${state.offset}, before byte ${to}`)
    state.hash.update(readBuffer.subarray(0, got))
    state.offset += got
  }
}

function digest(task: DigestTask): string | null {
  const state = rollingAt(task.id, task.offset)
  return state ? digestOf(task.id, state, true) : null
}

async function create(task: CreateTask): Promise<void> {
  const folder = dirname(task.path)
  fs.closeSync(openNew(task.path, folder))
  try {
    await replace({
      kind: 'replace',
      path: task.sidecarPath,
      text: task.sidecarText,
      durable: task.durable,
      bytesPath: null,
    })
  } catch (error) {
    remove([task.path, task.sidecarPath])
    throw error
  }
}

function openNew(path: string, folder: string): number {
  try {
    return fs.openSync(path, 'wx', FILE_MODE)
  } catch (error) {
    if (describe(error).code !== 'ENOENT') throw error
    makeFolder(folder)
    return fs.openSync(path, 'wx', FILE_MODE)
  }
}

/** Makes the folders of a day, once a day, and flushes those they are listed in: an upload may not vanish with them. */
function makeFolder(folder: string): void {
  const first = fs.mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    const fd = fs.openSync(dirname(made), 'r')
    try {
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  }
}

async function replace(task: ReplaceTask): Promise<void> {
  if (task.durable && task.bytesPath !== null) await flush(task.bytesPath)
  const temporary = `${task.path}.tmp`
  try {
    const fd = fs.openSync(temporary, 'w', FILE_MODE)
    try {
      writeWhole(fd, Buffer.from(task.text), 0)
      if (task.durable) await fsync(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.renameSync(temporary, task.path)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
  if (task.durable) await flushFolder(dirname(task.path))
}

async function flushFolder(folder: string): Promise<void> {
  const fd = fs.openSync(folder, 'r')
  try {
    await fsync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

async function flush(path: string): Promise<void> {
  const fd = fs.openSync(path, 'r+')
  try {
    await fdatasync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function truncate(task: TruncateTask): void {
  fs.truncateSync(task.path, task.length)
}

function remove(paths: readonly string[]): void {
  for (const path of paths) fs.rmSync(path, { force: true })
}
