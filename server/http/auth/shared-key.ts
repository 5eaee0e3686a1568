import { UploadError } from '../../errors.js'
import type { Sql } from '../../model/sql.js'
import { ACCESS_STEPS } from './access-schema.js'

const FIND = `SELECT key FROM signing_keys WHERE name = 'server'`
const ADD = `INSERT INTO signing_keys (name, key) VALUES ('server', $1) ON CONFLICT DO NOTHING`

/**
 * The key that all nodes sign with, as hex: what one has signed is valid on every other. The first node to ask puts the
 * one that `make` gives there. Rejects with storage_unavailable, and as `make` does.
 */
export async function sharedKey(sql: Sql, make: () => Promise<string>): Promise<string> {
  const find = async () => (await sql.query<{ key: string }>(FIND)).rows[0]?.key
  try {
    await sql.migrate('access', ACCESS_STEPS)
    const known = await find()
    if (known !== undefined) return known
    await sql.query(ADD, [await make()])
    const added = await find()
    if (added !== undefined) return added
  } catch (error) {
    throw new UploadError('storage_unavailable', { cause: error })
  }
  throw new UploadError('internal', { detail: 'the key that signs is not in the database' })
}
