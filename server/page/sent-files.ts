import * as v from 'valibot'
import { copyButton } from './copy.js'
import { element } from './dom.js'
import { age, bytes, shortDigest } from './format.js'
import { keep, storageOf } from './storage.js'

/** Of more files the oldest are forgotten. */
const MOST_KEPT = 200

const Kept = v.object({
  name: v.string(),
  size: v.number(),
  sha256: v.nullable(v.string()),
  at: v.string(),
})
type Kept = v.InferOutput<typeof Kept>
const AllKept = v.pipe(v.string(), v.parseJson(), v.array(Kept))

/** What this browser has sent by one drop link. It is kept here alone: nobody else who has the link sees it. */
export class SentFiles {
  readonly #storage = storageOf('localStorage')
  readonly #name: string
  readonly #panel: HTMLElement
  readonly #list = element('ul', { class: 'sent' })
  #files: Kept[]

  constructor(grantId: string, panel: HTMLElement) {
    this.#name = `lading-drop-${grantId}`
    this.#panel = panel
    panel.append(this.#list)
    const parsed = v.safeParse(AllKept, this.#storage?.getItem(this.#name))
    this.#files = parsed.success ? parsed.output : []
    this.#draw()
  }

  get count(): number {
    return this.#files.length
  }

  /** Adds a file that the server has whole. */
  add(name: string, size: number, sha256: string | undefined): void {
    const file = { name, size, sha256: sha256 ?? null, at: new Date().toISOString() }
    this.#files = [file, ...this.#files].slice(0, MOST_KEPT)
    keep(this.#storage, this.#name, JSON.stringify(this.#files))
    this.#draw()
  }

  #draw(): void {
    this.#panel.hidden = this.#files.length === 0
    this.#list.replaceChildren(...this.#files.map(lineOf))
  }
}

function lineOf({ name, size, sha256, at }: Kept): HTMLElement {
  const facts = element('span', { class: 'muted' }, `${bytes(size)} · ${age(at)}`)
  const digest =
    sha256 === null
      ? []
      : [
          element('code', { title: sha256 }, shortDigest(sha256)),
          copyButton('Copy SHA-256', `Copy SHA-256 of ${name}`, async () => sha256),
        ]
  return element('li', {}, element('bdi', { class: 'name' }, name), facts, ...digest)
}
