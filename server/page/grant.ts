import * as v from 'valibot'
import { textIn } from './base64.js'
import { bytes, date } from './format.js'

const Grant = v.object({
  id: v.string(),
  expiresAt: v.number(),
  maxSize: v.nullable(v.number()),
  accept: v.nullable(v.array(v.string())),
  count: v.nullable(v.number()),
})
const GrantText = v.pipe(v.string(), v.parseJson(), Grant)
/** What a grant's token says of itself. The server has verified it where it says so in the document. */
export type Grant = v.InferOutput<typeof Grant>

/** The grant of a token; undefined where the text is none. */
export function grantIn(token: string): Grant | undefined {
  const [, payload = ''] = /^lg_([\w-]+)\.[\w-]+$/.exec(token) ?? []
  const parsed = v.safeParse(GrantText, textIn(payload))
  return parsed.success ? parsed.output : undefined
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
