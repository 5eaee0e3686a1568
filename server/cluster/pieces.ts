/** PostgreSQL takes payloads of less than 8,000 bytes. */
const MOST_BYTES = 7_900
/** What stands before a piece: its sender, the number of its text, its place among the text's pieces, their number. */
const HEAD = /^([\w-]{1,64}):(\d{1,15}):(\d{1,3})\/(\d{1,3}):/
/** The record of an upload with 8 KiB of metadata, all of which is escaped, is shorter than so many pieces. */
const MOST_PIECES = 32
const NOT_ASCII = /[\u0080-\uffff]/g

/**
 * A text of JSON as payloads of NOTIFY, in order. Each is ASCII, so that it may be cut anywhere and every database takes
 * it. No two are equal: PostgreSQL would take equal payloads of one transaction for one.
 *
 * @param origin names the sender: up to 36 letters, digits and -
 * @param number of the text, among all of the sender
 */
export function piecesOf(origin: string, number: number, json: string): readonly string[] {
  const text = json.replace(NOT_ASCII, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const room = MOST_BYTES - `${origin}:${number}:999/999:`.length
  const count = Math.ceil(text.length / room)
  return Array.from({ length: count }, (_, at) => {
    return `${origin}:${number}:${at + 1}/${count}:${text.slice(at * room, (at + 1) * room)}`
  })
}

/** Puts pieces together again. Those of one text come one behind the other, because they are sent in one transaction. */
export class Pieces {
  #of = ''
  #found: string[] = []

  /** The text whose last piece this is; null before that; undefined where a piece is missing, or it is none of ours. */
  take(payload: string): string | null | undefined {
    const [head = '', origin, number, place = '', count = ''] = HEAD.exec(payload) ?? []
    const of = `${origin}:${number}/${count}`
    if (place === '1') {
      this.#of = of
      this.#found = []
    }
    const isNext = of === this.#of && Number(place) === this.#found.length + 1
    if (head === '' || !isNext || Number(count) > MOST_PIECES) {
      this.#clear()
      return undefined
    }
    this.#found.push(payload.slice(head.length))
    if (place !== count) return null
    const text = this.#found.join('')
    this.#clear()
    return text
  }

  #clear(): void {
    this.#of = ''
    this.#found = []
  }
}
