import type { UploadRow } from './api.js'
import { textIn } from './base64.js'
import { copyButton } from './copy.js'
import { type Child, element, setText } from './dom.js'
import { age, bytes, date, percent, shortDigest, speed } from './format.js'

const STATES: Readonly<Record<string, string>> = {
  receiving: 'Receiving',
  paused: 'Paused',
  finished: 'Finished',
  refused: 'Refused',
  expired: 'Expired',
  terminated: 'Deleted',
}
const WITH_FILE: readonly string[] = ['receiving', 'paused', 'finished']

/** What one can do with an upload. */
export interface UploadTools {
  download(row: UploadRow): void
  link(row: UploadRow): void
  remove(row: UploadRow): void
}

/** The name that people know an upload by. */
export function nameOf({ filename, id }: UploadRow): string {
  return filename ?? id
}

/** One upload in the list. Its cells change in place, so that the focus stays where it is. */
export class UploadLine {
  readonly element: HTMLTableRowElement
  readonly #tools: UploadTools
  readonly #name = element('bdi', { class: 'name' })
  readonly #note = element('span', { class: 'note muted' })
  readonly #type = cell('type')
  readonly #size = cell('size')
  readonly #badge = element('span', { class: 'badge' })
  readonly #progress = element('progress', { max: 100, value: 0 })
  readonly #age = element('time', {})
  readonly #digest = cell('sha')
  readonly #actions = cell('actions')
  #row: UploadRow

  constructor(row: UploadRow, tools: UploadTools) {
    this.#tools = tools
    this.#row = row
    this.element = element(
      'tr',
      { 'data-id': row.id },
      element('th', { scope: 'row' }, this.#name, this.#note),
      this.#type,
      this.#size,
      cell('state', this.#badge, this.#progress),
      cell('age', this.#age),
      this.#digest,
      this.#actions,
    )
    this.#drawOnce(row)
    this.show(row)
  }

  get row(): UploadRow {
    return this.#row
  }

  /** Shows the upload as it is now. */
  show(row: UploadRow): void {
    const isNewState = row.state !== this.element.dataset.state
    this.#row = row
    this.element.dataset.state = row.state
    const isWhole = row.length !== null && row.offset === row.length
    const length = row.length === null ? 'unknown' : bytes(row.length)
    setText(this.#size, isWhole ? length : `${bytes(row.offset)} of ${length}`)
    this.#size.title = `${row.offset} of ${row.length ?? 'an unknown number of'} bytes`
    setText(this.#type, row.type ?? 'not seen yet')
    this.#type.title = row.type ?? ''
    this.#type.classList.toggle('muted', row.type === null)
    setText(this.#badge, badgeOf(row))
    this.#badge.dataset.state = row.state
    this.#progress.hidden = row.state !== 'receiving' || row.length === null
    this.#progress.value = row.length ? (row.offset / row.length) * 100 : 0
    const note = noteOf(row)
    // Each part in its own direction; replaced only where it changes.
    if (this.#note.textContent !== note.join(' · '))
      this.#note.replaceChildren(
        ...note.flatMap((part, at) => [at === 0 ? '' : ' · ', element('bdi', {}, part)]),
      )
    this.tick()
    if (!isNewState) return
    this.#digest.replaceChildren(...this.#digestParts(row))
    this.#actions.replaceChildren(...this.#buttons(row))
  }

  /** Shows how old it is by now. */
  tick(): void {
    setText(this.#age, age(this.#row.createdAt))
  }

  #drawOnce(row: UploadRow): void {
    const name = nameOf(row)
    setText(this.#name, name)
    // A line of its own: marks of direction in a name end with its line.
    this.#name.title = `${name}\n${row.id}`
    this.#progress.setAttribute('aria-label', `Progress of ${name}`)
    this.#age.dateTime = row.createdAt
    this.#age.title = date(row.createdAt)
  }

  #digestParts(row: UploadRow): Child[] {
    const { sha256 } = row
    if (sha256 === null) return [element('span', { class: 'muted' }, '–')]
    const copy = copyButton('Copy', `Copy the SHA-256 of ${nameOf(row)}`, async () => sha256)
    return [element('code', { title: sha256 }, shortDigest(sha256)), copy]
  }

  #buttons(row: UploadRow): Child[] {
    const { download, link, remove } = this.#tools
    const button = (label: string, description: string, act: (row: UploadRow) => void, kind = 'quiet') =>
      element(
        'button',
        {
          type: 'button',
          class: kind,
          'aria-label': `${description} ${nameOf(row)}`,
          click: () => act(this.#row),
        },
        label,
      )
    const isFinished = row.state === 'finished'
    return [
      ...(isFinished ? [button('Download', 'Download', download)] : []),
      ...(isFinished ? [button('Link', 'Make a link to', link)] : []),
      ...(WITH_FILE.includes(row.state) ? [button('Delete', 'Delete', remove, 'quiet danger')] : []),
    ]
  }
}

function cell(kind: string, ...children: Child[]): HTMLTableCellElement {
  return element('td', { class: `cell-${kind}` }, ...children)
}

function badgeOf({ state, length, offset, bytesPerSecond }: UploadRow): string {
  const word = STATES[state] ?? state
  if (state === 'receiving' && length !== null) return `${percent(offset, length)} · ${speed(bytesPerSecond)}`
  return word
}

/** What else is known: where the file was, whose it is, why it is not there. */
function noteOf({ metadata, filename, owner, reason }: UploadRow): string[] {
  const path = metadataValue(metadata, 'relativePath')
  const folder = path?.endsWith(`/${filename}`) ? path.slice(0, -(filename?.length ?? 0)) : null
  return [folder, owner === null ? null : `of ${owner}`, reason].filter((part) => part !== null)
}

/** A value of Upload-Metadata, which is Base64 of UTF-8 (tus 1.0.0, creation); null where it is not there. */
function metadataValue(metadata: string | null, key: string): string | null {
  const pair = metadata?.split(',').find((each) => each.trim().startsWith(`${key} `))
  const value = textIn(pair?.trim().slice(key.length + 1) ?? '')
  return value === undefined || value === '' || value === 'null' ? null : value
}
