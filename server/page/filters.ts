import { byId } from './dom.js'

const AFTER_TYPING_MS = 250
const TYPE = /^[^/\s]+\/[^/\s]+$/

/** The search and the filters above the list. */
export class Filters {
  readonly #form = byId('filters', HTMLFormElement)
  #changed = (): void => {}

  constructor() {
    let typed: ReturnType<typeof setTimeout> | undefined
    this.#form.addEventListener('input', () => {
      clearTimeout(typed)
      typed = setTimeout(() => this.#changed(), AFTER_TYPING_MS)
    })
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      clearTimeout(typed)
      this.#changed()
    })
    // The fields are empty only after the event.
    this.#form.addEventListener('reset', () => setTimeout(() => this.#changed()))
  }

  onChange(changed: () => void): void {
    this.#changed = changed
  }

  get isSet(): boolean {
    return this.query().size > 0
  }

  /** What the fields ask for, in the words of `GET /api/uploads`. */
  query(): URLSearchParams {
    const query = new URLSearchParams()
    for (const [name, value] of new FormData(this.#form)) {
      const text = typeof value === 'string' ? value.trim() : ''
      // While somebody types it, a type is not one yet.
      if (text === '' || (name === 'type' && !TYPE.test(text))) continue
      query.set(name, isDay(name) ? momentOf(name, text) : text)
    }
    return query
  }
}

function isDay(name: string): boolean {
  return name === 'after' || name === 'before'
}

/** The first moment of a day here, or of the day behind it: the last day is meant to be in. */
function momentOf(name: string, day: string): string {
  const moment = new Date(`${day}T00:00`)
  if (name === 'before') moment.setDate(moment.getDate() + 1)
  return moment.toISOString()
}
