import * as fs from 'node:fs'
import { basename } from 'node:path'
import { workerData } from 'node:worker_threads'
import type { Digested } from '../model/engine.js'
import { openArena } from './arena-view.js'
import { serve } from './channel.js'
import { MovableHashes } from './movable-hashes.js'
import { OpenFiles, openPresent } from './open-files.js'
import { readPieces } from './pieces.js'
import { copyOf, type Rolling, RollingDigests } from './rolling.js'
import type { Serving } from './thread.js'
import { create, flush, remove, replace, writeWhole } from './whole-files.js'
import {
  type AppendResult,
  type AppendTask,
  type CommitTask,
  type DigestTask,
  type JoinTask,
  KEPT,
  type OpenTask,
  type ProveResult,
  type ProveTask,
  type Resumed,
  type ResumeTask,
  type RollBackTask,
  type UploadTask,
  type WriterTask,
} from './writer-tasks.js'

/**
 * A thread that touches file bytes: it writes blocks of the arena and digests them while they are in
 * the processor's cache. What may take long without using the processor (flushing) is asynchronous, so
 * that other uploads go on; the rest is synchronous, so that no other task finds it half done.
 */

/** The bytes of one request that has a checksum or may end with one, so that they can be taken back. */
interface Check {
  /** Where the next of them goes. */
  end: number
  /** The rolling digest as it was before them. */
  readonly before: Rolling | undefined
}

const files = new OpenFiles()
const digests = new RollingDigests()
const checks = new Map<string, Check>()
const arena = openArena(workerData)
let movable: MovableHashes | undefined

/** Does tasks until the channel is closed; piscina calls this. */
export default function start({ port }: Serving): Promise<void> {
  return serve(port, run, keeps)
}

/** What is kept of a task's upload; see Threads. */
function keeps({ id }: UploadTask): number {
  if (files.isOpen(id)) return files.isResting(id) ? KEPT.resting : KEPT.file
  return digests.has(id) || checks.has(id) ? KEPT.digest : KEPT.nothing
}

function run(task: WriterTask): unknown {
  switch (task.kind) {
    case 'open':
      return open(task)
    case 'append':
      return append(task)
    case 'commit':
      return commit(task)
    case 'rollBack':
      return rollBack(task)
    case 'join':
      return join(task)
    case 'prove':
      return prove(task)
    case 'digest':
      return digest(task)
    case 'resume':
      return resume(task)
    case 'saveDigest':
      return digests.saved(task.id)
    case 'create':
      return create(task, files)
    case 'replace':
      return replace(task, files)
    case 'truncate':
      return files.cut(task.path, task.length)
    case 'remove':
      return remove(task)
    case 'flush':
      return flush(task.path, files, task.bytes)
    case 'forget':
      return forget(task.id)
    case 'close':
      return files.close(task.id)
  }
}

/** Opens an upload's file for a body. */
function open({ path, bytes }: OpenTask): void {
  // A body whose end did not come this far may have left it open.
  files.close(basename(path))
  files.open(path, bytes)
}

function append(task: AppendTask): AppendResult {
  const state = digests.at(task.id, task.position)
  const check = task.isChecked ? checkAt(task, state) : undefined
  if (!check) checks.delete(task.id)
  let end = task.position
  try {
    if (task.blocks.length > 0) end = write(task)
    if (task.rests) {
      files.check(task.path, end)
      files.rest(task.id)
    }
  } catch (error) {
    return {
      live: state !== undefined,
      sha256: null,
      error: error instanceof Error ? error.message : String(error),
    }
  }
  if (check) check.end = end
  if (state) {
    for (const block of arena.blocksOf(task.blocks)) state.hash.update(block)
    state.offset = end
  }
  const sha256 = state && task.digest !== 'none' ? digests.hex(task.id, state, task.digest === 'final') : null
  return { live: state !== undefined, sha256, error: null }
}

/** Writes all blocks or none, and returns where they end. */
function write({ path, position, blocks }: AppendTask): number {
  const fd = files.open(path, position)
  let end = position
  try {
    for (const block of arena.blocksOf(blocks)) end = writeWhole(fd, block, end)
  } catch (error) {
    fs.ftruncateSync(fd, position)
    throw error
  }
  return end
}

/** The check that a request's bytes belong to; a new one with its first. */
function checkAt({ id, position, begins }: AppendTask, state: Rolling | undefined): Check {
  const running = begins ? undefined : checks.get(id)
  if (running?.end === position) return running
  const before = state && copyOf(state)
  const check = { end: position, before }
  checks.set(id, check)
  return check
}

function commit({ id, path, digest: due }: CommitTask): Digested {
  const check = checks.get(id)
  if (!check) throw new Error('the bytes that are to count were lost')
  files.check(path, check.end)
  files.close(id)
  checks.delete(id)
  const state = digests.standsAt(id, check.end) ? digests.any(id) : undefined
  const sha256 = state && due !== 'none' ? digests.hex(id, state, due === 'final') : null
  return { live: state !== undefined, sha256 }
}

function rollBack({ id, path, offset }: RollBackTask): Digested {
  const check = checks.get(id)
  // First, so that where it fails it can be tried again.
  files.cut(path, offset)
  files.close(id)
  checks.delete(id)
  if (check?.before) digests.set(id, check.before)
  // Where the prefix was still being read again it may have come into the bytes that go now.
  else if (digests.isBeyond(id, offset)) digests.forget(id)
  return { live: digests.standsAt(id, offset), sha256: null }
}

function forget(id: string): boolean {
  files.close(id)
  checks.delete(id)
  return digests.forget(id)
}

/** Takes a piece of a part over into the final upload and its digest; returns the milliseconds it took. */
function join(task: JoinTask): number {
  const startedAt = performance.now()
  const state = digests.at(task.id, task.position)
  if (!state) throw new Error('the rolling digest of a final upload was lost')
  const from = openPresent(task.partPath, 'r')
  try {
    const to = openPresent(task.path, 'r+')
    try {
      for (const bytes of readPieces(from, task.from, task.from + task.bytes)) {
        state.offset = writeWhole(to, bytes, state.offset)
        state.hash.update(bytes)
      }
    } finally {
      fs.closeSync(to)
    }
  } finally {
    fs.closeSync(from)
  }
  return performance.now() - startedAt
}

function prove(task: ProveTask): ProveResult {
  const { shift = 0 } = task
  const state = digests.any(task.id)
  const stop = Math.min(task.to, state.offset + task.budgetBytes)
  let matched = 0
  const fd = openPresent(task.path, 'r')
  try {
    for (const checkpoint of task.checkpoints) {
      if (checkpoint.offset <= state.offset) matched = checkpoint.offset
      if (checkpoint.offset <= state.offset || checkpoint.offset > stop) continue
      readOn(fd, state, checkpoint.offset, shift)
      if (digests.hex(task.id, state, false) === checkpoint.sha256) {
        matched = checkpoint.offset
        continue
      }
      digests.forget(task.id)
      return { offset: state.offset, damagedAfter: matched }
    }
    readOn(fd, state, stop, shift)
  } finally {
    fs.closeSync(fd)
  }
  return { offset: state.offset, damagedAfter: null }
}

async function resume(task: ResumeTask): Promise<Resumed> {
  const { id } = task
  if (!isFurthest(task)) movable ??= await MovableHashes.load()
  // Asked again: it may have moved while the library was loaded.
  if (movable && !isFurthest(task))
    digests.set(id, resumed(movable, task) ?? { hash: movable.fresh(), offset: 0 })
  return { offset: digests.any(id).offset, isMovable: digests.saved(id) !== null }
}

/** Tells whether the digest that is here is as good as the one that was saved, or better. */
function isFurthest({ id, saved, to }: ResumeTask): boolean {
  return digests.has(id) && !digests.isBeyond(id, to) && digests.any(id).offset >= (saved?.offset ?? 0)
}

/** The digest that was saved, or else the one that is here, where they are good. */
function resumed(hashes: MovableHashes, { id, saved, sha256, to }: ResumeTask): Rolling | undefined {
  const hash = saved ? hashes.from(saved.state) : undefined
  const isRight = hash && (sha256 === null || hash.copy().digest('hex') === sha256)
  if (saved && isRight) return { hash, offset: saved.offset }
  return digests.has(id) && !digests.isBeyond(id, to) ? digests.any(id) : undefined
}

function readOn(fd: number, state: Rolling, to: number, shift: number): void {
  for (const bytes of readPieces(fd, state.offset - shift, to - shift)) {
    state.hash.update(bytes)
    state.offset += bytes.length
  }
}

function digest(task: DigestTask): string | null {
  const state = digests.at(task.id, task.offset)
  return state ? digests.hex(task.id, state, true) : null
}
