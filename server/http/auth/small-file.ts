import { open, readFile, rename } from 'node:fs/promises'
import { unlessMissing } from '../../errors.js'

/** The text of a small file; undefined where there is none. Rejects with the system's other errors. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(unlessMissing)
}

/** Replaces a small file as a whole, flushed. A crash or a full disk leaves no part of it there. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const file = await open(`${path}.new`, 'w', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
