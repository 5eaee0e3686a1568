/**
 * Loaded by Node before a server, with --import: the file TEST_FAULTY_CALLS names calls of `node:fs` that hang or fail
 * in the server's threads, as on a faulty disk, or end their thread once they are done. Each line is a call, `hangs`,
 * `fails` or `ends`, and a part of the path.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

const LOOK_EVERY_MS = 5

const rules = process.env.TEST_FAULTY_CALLS ?? ''
const cell = new Int32Array(new SharedArrayBuffer(4))
const { readFileSync, readlinkSync } = fs

/** What the rules say of a call on this path. */
function faultOf(name: string, path: string): string | undefined {
  const lines = readFileSync(rules, 'utf8').split('\n')
  return lines
    .map((line) => line.split(' '))
    .find(([call, , part]) => call === name && part !== undefined && path.includes(part))?.[1]
}

function pathOf(file: unknown): string {
  return typeof file === 'number' ? readlinkSync(`/proc/self/fd/${file}`) : String(file)
}

if (!isMainThread && rules !== '') {
  for (const name of ['writeSync', 'unlinkSync', 'renameSync'] as const) {
    const call: unknown = fs[name]
    if (typeof call !== 'function') continue
    const faulty = (...given: unknown[]): unknown => {
      const path = pathOf(given[0])
      let fault = faultOf(name, path)
      for (; fault === 'hangs'; fault = faultOf(name, path)) Atomics.wait(cell, 0, 0, LOOK_EVERY_MS)
      if (fault === 'ends') {
        Reflect.apply(call, fs, given)
        process.exit(7)
      }
      if (fault !== undefined) throw Object.assign(new Error(`EIO: i/o error, ${name}`), { code: 'EIO' })
      return Reflect.apply(call, fs, given)
    }
    Object.assign(fs, { [name]: faulty })
  }
  syncBuiltinESMExports()
}
