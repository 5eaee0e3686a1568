/** Header fields of an answer, by name. */
export type HeaderFields = Record<string, string>

/** An answer to a request; without `text` it has no body. */
export interface Answer {
  readonly status: number
  readonly headers: HeaderFields
  readonly text?: string
}
