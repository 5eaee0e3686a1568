import { abortAll } from './abort-all.js'
import type { AssemblyTools } from './assembly.js'
import type { Removed } from './ledger.js'

/** Uploads whose objects are removed at once. */
const AT_ONCE = 8

type Tools = Pick<AssemblyTools, 'bucket' | 'ledger' | 'keyOf' | 'tails'>

/**
 * Removes what the bucket has of uploads that are being removed, then their rows. Another node may have ended a removal
 * meanwhile, and an upload may have the same id again: the ledger is asked before each step that would cost it its bytes.
 * Rejects as the bucket and the ledger do.
 */
export async function removeObjects(tools: Tools, removed: readonly Removed[]): Promise<void> {
  for (let from = 0; from < removed.length; from += AT_ONCE) {
    const batch = await stillRemoved(tools, removed.slice(from, from + AT_ONCE))
    const found = await Promise.all(batch.map(async (each) => ({ ...each, keys: await keysOf(tools, each) })))
    const keys = (await stillRemoved(tools, found)).flatMap((each) => each.keys)
    if (keys.length > 0) await tools.bucket.remove(keys)
  }
  if (removed.length > 0) await tools.ledger.endRemoval(removed.map(({ id }) => id))
}

async function stillRemoved<T extends Removed>({ ledger }: Tools, all: readonly T[]): Promise<readonly T[]> {
  const ids = await ledger.halfRemoved(all.map(({ id }) => id))
  return all.filter(({ id }) => ids.has(id))
}

/** The objects of an upload whose multipart uploads are aborted; also what a writer that died had not written down. */
async function keysOf(
  { bucket, keyOf, tails: prefix }: Tools,
  { id, multipart, tails }: Removed,
): Promise<readonly string[]> {
  const key = keyOf(id)
  if (multipart) await bucket.abort(key, multipart.id)
  await abortAll(bucket, key)
  const keys = new Set([key, ...tails.map((tail) => tail.key)])
  for await (const tail of bucket.objects(`${prefix}${id}/`)) keys.add(tail.key)
  return [...keys]
}
