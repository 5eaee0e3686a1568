import { slotsOfAllNodes } from './all-slots.js'
import type { Active, Status, UploadRow } from './api.js'
import { element, setText } from './dom.js'
import { bytes, percent, speed } from './format.js'

/** A server may have a thousand slots: more free ones than these are only counted. */
const MOST_DRAWN = 30

/** One slot. */
class Place {
  readonly element = element('li', { class: 'place' })
  readonly #name = element('bdi', { class: 'place-name' })
  readonly #progress = element('progress', { max: 100, value: 0 })
  readonly #numbers = element('span', { class: 'place-numbers' })
  #id: string | null = null

  constructor() {
    this.element.append(this.#name, this.#progress, this.#numbers)
    this.clear()
  }

  get id(): string | null {
    return this.#id
  }

  clear(): void {
    this.#id = null
    this.element.dataset.state = 'free'
    setText(this.#name, 'Free')
    this.#progress.hidden = true
    this.#numbers.replaceChildren()
  }

  show({ id, filename, offset, length, bytesPerSecond }: Active): void {
    const name = filename ?? id
    this.#id = id
    this.element.dataset.state = 'taken'
    setText(this.#name, name)
    this.#name.title = name
    this.#progress.hidden = false
    this.#progress.setAttribute('aria-label', `Progress of ${name}`)
    if (length === null) this.#progress.removeAttribute('value')
    else this.#progress.value = length === 0 ? 100 : (offset / length) * 100
    const done = length === null ? bytes(offset) : `${percent(offset, length)} of ${bytes(length)}`
    this.#numbers.replaceChildren(done, element('br'), speed(bytesPerSecond))
  }
}

/** The slots, as a row of places. An upload stays in its place while it has one. */
export class Places {
  readonly #list: HTMLElement
  readonly #summary: HTMLElement
  readonly #rest = element('li', { class: 'place', 'data-state': 'rest' })
  #places: Place[] = []
  #active = new Map<string, Active>()

  constructor(list: HTMLElement, summary: HTMLElement) {
    this.#list = list
    this.#summary = summary
  }

  /** Bytes a second of all uploads that have a place. */
  get bytesPerSecond(): number {
    return [...this.#active.values()].reduce((sum, each) => sum + each.bytesPerSecond, 0)
  }

  has(id: string): boolean {
    return this.#active.has(id)
  }

  /** Shows what the server says of its slots, and of those of the other nodes. */
  show(status: Status): void {
    const { slots, active } = slotsOfAllNodes(status)
    this.#active = new Map(active.map((each) => [each.id, each]))
    this.#fit(Math.max(Math.min(slots.limit, MOST_DRAWN), active.length))
    for (const place of this.#places) if (place.id !== null && !this.#active.has(place.id)) place.clear()
    const seated = new Set(this.#places.map(({ id }) => id))
    const free = this.#places.filter(({ id }) => id === null)
    for (const each of active) if (!seated.has(each.id)) free.shift()?.show(each)
    for (const place of this.#places) this.#draw(place)
    const undrawn = slots.limit - this.#places.length
    this.#rest.hidden = undrawn <= 0
    setText(this.#rest, `and ${undrawn} more`)
    const waiting = slots.waiting === 0 ? '' : `, ${slots.waiting} waiting`
    setText(this.#summary, `${slots.taken} of ${slots.limit} taken${waiting}`)
  }

  /** Shows the progress of one upload; one without a place comes with the next status. */
  progress({ id, filename, length, offset, bytesPerSecond }: UploadRow): void {
    if (!this.#active.has(id)) return
    this.#active.set(id, { id, filename, length, offset, bytesPerSecond })
    for (const place of this.#places) if (place.id === id) this.#draw(place)
  }

  #draw(place: Place): void {
    const active = place.id === null ? undefined : this.#active.get(place.id)
    if (active) place.show(active)
  }

  #fit(count: number): void {
    if (this.#places.length === count) return
    while (this.#places.length < count) this.#places.push(new Place())
    this.#places = this.#places.slice(0, count)
    this.#list.replaceChildren(...this.#places.map(({ element }) => element), this.#rest)
  }
}
