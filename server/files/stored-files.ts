import { opendir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { unlessMissing } from '../errors.js'
import type { Engine, Entry, Loaded } from '../model/engine.js'
import { isForeign, parseSidecar } from '../model/sidecar.js'
import { storedFacts } from '../model/stored-facts.js'
import type { StoredFacts, UploadFacts } from '../model/upload-facts.js'
import { isUploadId } from '../model/upload-id.js'
import { isSameBoot } from './boot.js'
import { ADOPTED_FOLDER, idOfName, pathsOf, relativePathOf } from './paths.js'

/** Names that are read from a folder at once; it is never held in memory whole. */
const NAMES_AT_ONCE = 1024

/** The bytes of an upload, undefined for none, and what its sidecar says, or why it says nothing. */
export interface AsLeft {
  readonly storedBytes: number | undefined
  readonly facts: UploadFacts | 'missing' | 'torn' | 'foreign'
}

/** The uploads in a data folder, to look at: two files each, in a folder of the day, or in that of adopted ones. Nothing here changes one. */
export class StoredFiles implements Pick<Engine, 'load' | 'has' | 'measure' | 'list' | 'addressOf'> {
  readonly dataDir: string
  readonly bootId: string

  constructor(dataDir: string, bootId: string) {
    this.dataDir = dataDir
    this.bootId = bootId
  }

  /** See Engine. */
  async load(id: string): Promise<Loaded> {
    if (!isUploadId(id)) return { kind: 'missing' }
    const paths = pathsOf(this.dataDir, id)
    const [text, file] = await Promise.all([
      readFile(paths.sidecar, 'utf8').catch(unlessMissing),
      stat(paths.file).catch(unlessMissing),
    ])
    if (!file?.isFile()) return { kind: 'missing' }
    if (text !== undefined && isForeign(text)) return { kind: 'foreign' }
    const facts = text === undefined ? undefined : this.#factsOf(text, id, file)
    if (!facts) return { kind: 'torn', storedBytes: file.size, touchedAtMs: file.mtimeMs }
    return { kind: 'upload', facts, storedBytes: file.size }
  }

  /** What is stored of an upload as it was left, whether it can be so or not. */
  async asLeft(id: string): Promise<AsLeft> {
    const paths = pathsOf(this.dataDir, id)
    const [text, storedBytes] = await Promise.all([
      readFile(paths.sidecar, 'utf8').catch(unlessMissing),
      bytesOf(paths.file),
    ])
    if (text === undefined) return { storedBytes, facts: 'missing' }
    if (isForeign(text)) return { storedBytes, facts: 'foreign' }
    return { storedBytes, facts: parseSidecar(text, id) ?? 'torn' }
  }

  /** See Engine. */
  async has(id: string): Promise<boolean> {
    return isUploadId(id) && (await bytesOf(pathsOf(this.dataDir, id).file)) !== undefined
  }

  /** See Engine. */
  async measure(id: string): Promise<{ storedBytes: number | undefined; hasFacts: boolean }> {
    const paths = pathsOf(this.dataDir, id)
    const [storedBytes, sidecar] = await Promise.all([
      bytesOf(paths.file),
      stat(paths.sidecar).catch(unlessMissing),
    ])
    return { storedBytes, hasFacts: sidecar !== undefined }
  }

  /** See Engine. */
  async *list(fromDay = ''): AsyncGenerator<readonly Entry[]> {
    const root = join(this.dataDir, 'uploads')
    for (const year of await digits(root, 4)) {
      for (const month of await digits(join(root, year), 2)) {
        for (const day of await digits(join(root, year, month), 2)) {
          const folder = `${year}/${month}/${day}`
          if (folder >= fromDay) yield* entriesIn(root, folder)
        }
      }
    }
    if (fromDay === '') yield* entriesIn(root, ADOPTED_FOLDER)
  }

  /** See Engine: the path of the bytes under the data folder. */
  addressOf(id: string): string {
    return relativePathOf(id)
  }

  #factsOf(text: string, id: string, file: { size: number; mtimeMs: number }): StoredFacts | undefined {
    const sidecar = parseSidecar(text, id)
    if (!sidecar) return undefined
    const { version: _version, updatedAt: _updatedAt, bootId, ...facts } = sidecar
    return storedFacts(facts, {
      storedBytes: file.size,
      storedAtMs: file.mtimeMs,
      sameBoot: isSameBoot(bootId, this.bootId),
      isCurrent: bootId === this.bootId,
    })
  }
}

async function bytesOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(unlessMissing)
  return found?.isFile() ? found.size : undefined
}

async function* entriesIn(root: string, path: string): AsyncGenerator<readonly Entry[]> {
  const folder = await opendir(join(root, path), { bufferSize: NAMES_AT_ONCE }).catch(unlessMissing)
  if (!folder) return
  let entries: Entry[] = []
  let names = 0
  for await (const { name } of folder) {
    names += 1
    const id = idOfName(name, path)
    if (id !== undefined) entries.push({ id, kind: kindOf(name) })
    if (names % NAMES_AT_ONCE !== 0) continue
    yield entries
    entries = []
  }
  yield entries
}

/** What a name in a folder of uploads stands for. */
export function kindOf(name: string): Entry['kind'] {
  if (name.endsWith('.tmp')) return 'temporary'
  return name.endsWith('.json') ? 'facts' : 'bytes'
}

/** The names of so many digits in a folder, the latest first. */
async function digits(folder: string, length: number): Promise<string[]> {
  const names = (await readdir(folder).catch(unlessMissing)) ?? []
  return names
    .filter((name) => name.length === length && /^\d+$/.test(name))
    .sort()
    .reverse()
}
