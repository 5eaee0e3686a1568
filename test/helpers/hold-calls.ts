/**
 * Loaded by Node before a server, with --import: in the server's threads each call of `node:fs` that the file
 * TEST_HELD_CALLS names waits until the file names it no more, as on a disk that hangs.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

const LOOK_EVERY_MS = 5
const STANDARD_ERROR = 2

const names = process.env.TEST_HELD_CALLS ?? ''
const cell = new Int32Array(new SharedArrayBuffer(4))
const { readFileSync } = fs

function wait(name: string): void {
  while (readFileSync(names, 'utf8').split(' ').includes(name)) Atomics.wait(cell, 0, 0, LOOK_EVERY_MS)
}

if (!isMainThread && names !== '') {
  for (const name of ['writeSync', 'unlinkSync', 'renameSync'] as const) {
    const call: unknown = fs[name]
    if (typeof call !== 'function') continue
    const held = (...given: unknown[]): unknown => {
      // The log is no part of the disk.
      if (typeof given[0] !== 'number' || given[0] > STANDARD_ERROR) wait(name)
      return Reflect.apply(call, fs, given)
    }
    Object.assign(fs, { [name]: held })
  }
  syncBuiltinESMExports()
}
