import type { SqlValue } from '../../model/sql.js'

/** A text as PostgreSQL can have it: without zero bytes, and without halves of characters. */
export function storable(text: string): string {
  return text.replaceAll(/\0|\p{Surrogate}/gu, '\u{fffd}')
}

/** The parameters of a query while it is put together. */
export class Parameters {
  readonly values: SqlValue[] = []

  /** Adds a value; returns its place in the query, such as `$3`. */
  add(value: string | readonly string[]): string {
    this.values.push(typeof value === 'string' ? storable(value) : value.map(storable))
    return `$${this.values.length}`
  }
}
