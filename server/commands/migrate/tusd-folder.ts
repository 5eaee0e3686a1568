import type { Dir } from 'node:fs'
import { lstat, opendir, readFile, rm } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { unlessMissing } from '../../errors.js'
import { isUploadId } from '../../model/upload-id.js'
import { NAMES_AT_ONCE, OF_THE_DISK } from '../../model/walked-folder.js'
import { reasonOfSystem } from '../printable.js'
import { parseInfo, type TusdInfo } from './tusd-info.js'

const MOST_INFO_BYTES = 1024 * 1024
const INFO = '.info'
/** What its lockers leave beside an upload. */
const LOCKS = ['.lock', '.stop']

/** An upload in tusd's folder. */
export interface TusdUpload {
  readonly kind: 'upload'
  readonly info: TusdInfo
  readonly infoPath: string
  readonly createdAtMs: number
  readonly bytesPath: string
  /** Undefined where its bytes are not there: they were adopted before, or are lost. */
  readonly file: { readonly bytes: number; readonly changedAtMs: number } | undefined
}

/** Something that cannot be adopted, and why. */
export interface NotAdoptable {
  readonly kind: 'left'
  readonly name: string
  readonly why: string
}

/** The folder that tusd was given as `-upload-dir`. */
export class TusdFolder {
  readonly path: string

  constructor(path: string) {
    this.path = resolve(path)
  }

  /** What is in the folder, one after another; no list of it is held. Rejects with the system's error. */
  async *uploads(): AsyncGenerator<TusdUpload | NotAdoptable> {
    yield* this.#in('')
  }

  /** Removes what tusd kept of an upload beside its bytes. */
  async removeInfo({ infoPath }: TusdUpload): Promise<void> {
    const stem = infoPath.slice(0, -INFO.length)
    for (const ending of [...LOCKS, INFO]) await rm(`${stem}${ending}`, { force: true })
  }

  /** The process id of a tusd that has an upload locked; undefined where there is none. */
  async lockHolder(): Promise<string | undefined> {
    for await (const { name } of await opendir(this.path, { bufferSize: NAMES_AT_ONCE })) {
      if (!name.endsWith('.lock')) continue
      const pid = (await readFile(join(this.path, name), 'utf8').catch(() => '')).trim()
      if (/^\d{1,10}$/.test(pid) && (await isTusd(pid))) return pid
    }
    return undefined
  }

  async *#in(folder: string): AsyncGenerator<TusdUpload | NotAdoptable> {
    let opened: Dir
    try {
      opened = await opendir(join(this.path, folder), { bufferSize: NAMES_AT_ONCE })
    } catch (error) {
      if (folder === '') throw error
      if (folder !== OF_THE_DISK) yield left(folder, reasonOfSystem(error))
      return
    }
    for await (const entry of opened) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`
      // Its ids may have slashes. Lading's own data folder may lie in the same place.
      if (entry.isDirectory() && !(folder === '' && entry.name === 'uploads')) yield* this.#in(name)
      else if (name.endsWith(INFO))
        yield await this.#upload(name).catch((error: unknown) => left(name, reasonOfSystem(error)))
      else if (isUploadId(name) && !(await exists(join(this.path, `${name}${INFO}`))))
        if (await exists(join(this.path, name))) yield left(name, 'there is no .info beside it')
    }
  }

  async #upload(name: string): Promise<TusdUpload | NotAdoptable> {
    const infoPath = join(this.path, name)
    const id = name.slice(0, -INFO.length)
    const infoFile = await lstat(infoPath).catch(unlessMissing)
    if (!infoFile?.isFile() || infoFile.size > MOST_INFO_BYTES) return left(name, 'it is no .info of tusd')
    const info = parseInfo(await readFile(infoPath, 'utf8'))
    if (!info) return left(name, 'it is torn, or no .info of tusd')
    if (info.ID !== id) return left(name, 'it has another id')
    if (!isUploadId(id)) return left(id, 'its id has a form that no address of Lading has')
    const bytesPath = this.#bytesPathOf(info)
    if (bytesPath === undefined) return left(id, 'its bytes are outside of this folder')
    const found = await lstat(bytesPath).catch(unlessMissing)
    if (found && !found.isFile()) return left(id, 'its bytes are no plain file')
    const file = found && { bytes: found.size, changedAtMs: found.mtimeMs }
    return { kind: 'upload', info, infoPath, createdAtMs: infoFile.mtimeMs, bytesPath, file }
  }

  /**
   * A hook may have chosen the path. tusd wrote it, and that of the .info, as its folder was named then: the way from
   * one to the other is the same today.
   */
  #bytesPathOf({ ID, Storage }: TusdInfo): string | undefined {
    const { Path, InfoPath } = Storage ?? {}
    if (typeof Path !== 'string' || Path === '') return join(this.path, ID)
    const ending = `${ID}${INFO}`
    const hasBase = typeof InfoPath === 'string' && InfoPath.endsWith(ending)
    const base = hasBase ? InfoPath.slice(0, -ending.length) || '.' : undefined
    // tusd 1.x says nothing of its .info, and its hooks chose no paths.
    if (base === undefined) return join(this.path, ID)
    const way = relative(base, Path)
    const isInside = way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && resolve(way) !== way
    return isInside ? join(this.path, way) : undefined
  }
}

function left(name: string, why: string): NotAdoptable {
  return { kind: 'left', name, why }
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(unlessMissing)) !== undefined
}

/** A process id may belong to another program by now. */
async function isTusd(pid: string): Promise<boolean> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  return name.includes('tusd')
}
