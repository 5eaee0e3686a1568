import { UploadError } from '../errors.js'

const KEY = /^[!-+\--~]+$/
const VALUE = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const MOST_BYTES = 8 * 1024

/** Upload-Metadata: the header as it was sent, and its values, still as bytes. */
export interface Metadata {
  readonly raw: string
  readonly values: ReadonlyMap<string, Buffer>
}

/**
 * Reads Upload-Metadata (tus 1.0.0, creation): pairs by comma, key and Base64 value by one space, the value
 * may be absent, keys are ASCII and unique. At most 8 KiB, because it is kept in memory. Throws metadata_invalid.
 */
export function parseMetadata(raw: string): Metadata {
  if (raw.length > MOST_BYTES) throw new UploadError('metadata_invalid', { detail: 'over 8 KiB' })
  const values = new Map<string, Buffer>()
  for (const pair of raw.split(',')) {
    const [key, value = '', ...more] = pair.trim().split(' ')
    const valid = key !== undefined && KEY.test(key) && VALUE.test(value) && more.length === 0
    if (!valid || values.has(key)) throw new UploadError('metadata_invalid')
    values.set(key, Buffer.from(value, 'base64'))
  }
  return { raw, values }
}

/** The first of some keys that has a value, as text; null where none has. Uppy sends "null" for none. */
export function textOf(metadata: Metadata | null, keys: readonly string[]): string | null {
  for (const key of keys) {
    const text = metadata?.values.get(key)?.toString('utf8') ?? ''
    if (text !== '' && text !== 'null') return text
  }
  return null
}
