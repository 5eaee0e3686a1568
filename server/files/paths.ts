import { join } from 'node:path'

const ID = /^(\d{4})(\d{2})(\d{2})-[0-9a-f]{32}$/

/** Where an upload lies; every path follows from its id without a look-up. */
export interface UploadPaths {
  /** The bytes. */
  readonly file: string
  /** The JSON beside them. */
  readonly sidecar: string
  /** The bytes' path under the data folder, with `/`. */
  readonly relative: string
}

/** Makes an upload's id: the UTC day of its creation and 128 random bits in lower-case hex. */
export function createId(now: Date, randomHex: string): string {
  return `${now.toISOString().slice(0, 10).replaceAll('-', '')}-${randomHex}`
}

/** Tells whether a text has the form of an upload's id; nothing else ever becomes part of a path. */
export function isUploadId(text: string): boolean {
  return ID.test(text)
}

/** The paths of an upload, by the UTC day in its id: `uploads/YYYY/MM/DD/<id>`. Throws on anything but an id. */
export function pathsOf(dataDir: string, id: string): UploadPaths {
  const parts = ID.exec(id)
  if (!parts) throw new Error('not an upload id')
  const relative = `uploads/${parts[1]}/${parts[2]}/${parts[3]}/${id}`
  const file = join(dataDir, relative)
  return { file, sidecar: `${file}.json`, relative }
}
