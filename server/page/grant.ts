import * as v from 'valibot'
import { bytes, date } from './format.js'

const Grant = v.object({
  id: v.string(),
  expiresAt: v.number(),
  maxSize: v.nullable(v.number()),
  accept: v.nullable(v.array(v.string())),
  count: v.nullable(v.number()),
})
/** What a grant's token says of itself. Only the server can tell whether it is true. */
export type Grant = v.InferOutput<typeof Grant>

/** The grant of a token; undefined where the text is none. */
export function grantIn(token: string): Grant | undefined {
  const text = /^lg_([\w-]+)\.[\w-]+$/.exec(token)?.[1]
  try {
    const binary = atob((text ?? '').replaceAll('-', '+').replaceAll('_', '/'))
    const json = new TextDecoder().decode(Uint8Array.from(binary, (byte) => byte.charCodeAt(0)))
    const parsed = v.safeParse(Grant, JSON.parse(json))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}

/** A grant's limits, each in words for people. */
export function limitsInWords({ maxSize, accept, count, expiresAt }: Grant, mostBytes: number): string[] {
  return [
    `each up to ${bytes(Math.min(maxSize ?? mostBytes, mostBytes))}`,
    ...(accept ? [`only ${accept.join(', ')}`] : []),
    ...(count === null ? [] : [count === 1 ? 'one file' : `up to ${count} files`]),
    `until ${date(new Date(expiresAt * 1000).toISOString())}`,
  ]
}
