import { UploadError } from '../errors.js'
import type { FileFacts } from './creation.js'

const KEY = /^[!-+\--~]+$/
const VALUE = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const MOST_BYTES = 8 * 1024

/** The values of Upload-Metadata by their keys, still as bytes. */
export type Metadata = ReadonlyMap<string, Buffer>

/**
 * Reads Upload-Metadata (tus 1.0.0, creation): pairs by comma, key and Base64 value by one space, the value
 * may be absent, keys are ASCII and unique. A pair that is none is skipped, and of a doubled key the first
 * counts: clients in use send such pairs, and HEAD gives the header back as it came.
 * Throws metadata_too_large over 8 KiB, because the header is kept in memory.
 */
export function parseMetadata(raw: string): Metadata {
  if (raw.length > MOST_BYTES) throw new UploadError('metadata_too_large')
  const values = new Map<string, Buffer>()
  for (const pair of raw.split(',')) {
    const [key = '', value = '', ...more] = pair.trim().split(' ')
    const isPair = KEY.test(key) && VALUE.test(value) && more.length === 0
    if (isPair && !values.has(key)) values.set(key, Buffer.from(value, 'base64'))
  }
  return values
}

/** What Upload-Metadata says of the file; undefined is a missing header. Throws metadata_too_large. */
export function factsOf(raw: string | undefined): FileFacts {
  if (raw === undefined) return { metadata: null, filename: null, declaredType: null }
  const values = parseMetadata(raw)
  return {
    metadata: raw,
    filename: textOf(values, ['filename', 'name']),
    declaredType: textOf(values, ['filetype', 'type']),
  }
}

/** Upload-Metadata with values that its client cannot change. Undefined where there are none and none was sent. */
export function withFixed(
  raw: string | undefined,
  fixed: Readonly<Record<string, string>>,
): string | undefined {
  const keys = Object.keys(fixed)
  if (keys.length === 0) return raw
  const own = (raw ?? '').split(',').filter((pair) => !keys.includes(pair.trim().split(' ')[0] ?? ''))
  const pairs = Object.entries(fixed).map(([key, text]) => pairOf(key, text))
  return [...own.filter((pair) => pair.trim() !== ''), ...pairs].join(',')
}

/** The first of some keys that has a value, as text; null where none has. Uppy sends "null" for none. */
export function textOf(metadata: Metadata, keys: readonly string[]): string | null {
  for (const key of keys) {
    const text = metadata.get(key)?.toString('utf8') ?? ''
    if (text !== '' && text !== 'null') return text
  }
  return null
}

/** The pairs of Upload-Metadata as texts; of a value that is no UTF-8 what can be read. `raw` was accepted before. */
export function fieldsOf(raw: string | null): Record<string, string> {
  const values = parseMetadata(raw ?? '')
  return Object.fromEntries([...values].map(([key, value]) => [key, value.toString('utf8')]))
}

/** Upload-Metadata of these pairs; null where there are none. Throws metadata_too_large, and header_invalid for a key that is none. */
export function formatMetadata(fields: Readonly<Record<string, string>>): string | null {
  const pairs = Object.entries(fields).map(([key, value]) => {
    if (!KEY.test(key)) throw new UploadError('header_invalid', { detail: 'a key of the metadata' })
    return pairOf(key, value)
  })
  const raw = pairs.join(',')
  if (raw.length > MOST_BYTES) throw new UploadError('metadata_too_large')
  return raw === '' ? null : raw
}

/** One pair of Upload-Metadata; a key alone where the value is empty. */
function pairOf(key: string, value: string): string {
  return value === '' ? key : `${key} ${Buffer.from(value).toString('base64')}`
}
