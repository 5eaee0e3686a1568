import type { Stats } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { STANDARD_INPUT } from './options.js'

/** A file to send. */
interface FoundFile {
  readonly kind: 'file'
  readonly path: string
  /** Its path from the folder that was named, that folder's name included, with `/`; of a file that was named, its name. */
  readonly name: string
  readonly size: number
}

/** What cannot be sent, and why. */
interface FoundFault {
  readonly kind: 'fault'
  readonly name: string
  readonly why: unknown
}

/** What has no bytes to send: a socket, a pipe, a device, or a link back to a folder above it. */
interface Skipped {
  readonly kind: 'skipped'
  readonly name: string
  readonly why: string
}

/** Standard input. */
interface FoundInput {
  readonly kind: 'input'
  readonly name: string
}

export type Found = FoundFile | FoundInput | FoundFault | Skipped

interface Place {
  readonly path: string
  readonly name: string
  /** The folders above it: a link may lead back to one. */
  readonly above: readonly string[]
}

/**
 * The files of what was named: a file, all files of a folder and its folders, or standard input. Links are followed. One folder of each
 * level is open at a time, and no list of files is held.
 */
export async function* filesOf(paths: readonly string[]): AsyncGenerator<Found> {
  for (const path of paths) {
    if (path === STANDARD_INPUT) yield { kind: 'input', name: STANDARD_INPUT }
    else yield* foundAt({ path, name: basename(resolve(path)), above: [] })
  }
}

async function* foundAt(place: Place): AsyncGenerator<Found> {
  const { path, name } = place
  let found: Stats
  try {
    found = await stat(path)
  } catch (error) {
    yield { kind: 'fault', name, why: error }
    return
  }
  if (found.isFile()) yield { kind: 'file', path, name, size: found.size }
  else if (found.isDirectory()) yield* inFolder(place, `${found.dev}:${found.ino}`)
  else yield { kind: 'skipped', name, why: 'it is neither a file nor a folder' }
}

async function* inFolder({ path, name, above }: Place, self: string): AsyncGenerator<Found> {
  if (above.includes(self)) {
    yield { kind: 'skipped', name, why: 'it is a link to a folder above it' }
    return
  }
  try {
    for await (const entry of await opendir(path))
      yield* foundAt({ path: join(path, entry.name), name: `${name}/${entry.name}`, above: [...above, self] })
  } catch (error) {
    yield { kind: 'fault', name, why: error }
  }
}
