import { open } from 'node:fs/promises'

/** Flushes a folder, so that the names in it last. Rejects with the system's error. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
