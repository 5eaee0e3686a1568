/** Header fields of an answer, by name. */
export type HeaderFields = Record<string, string>

/** Headers with others that replace those of the same name, in whatever case it is written. */
export function withHeaders(headers: HeaderFields, more: HeaderFields): HeaderFields {
  const replaced = new Set(Object.keys(more).map((name) => name.toLowerCase()))
  const kept = Object.entries(headers).filter(([name]) => !replaced.has(name.toLowerCase()))
  return Object.assign(Object.fromEntries(kept), more)
}

/** An answer to a request; without `text` and `bytes` it has no body. */
export interface Answer {
  readonly status: number
  readonly headers: HeaderFields
  readonly text?: string
  /** The body where it is no text. */
  readonly bytes?: Uint8Array
}
