import { copyButton } from './copy.js'
import type { Digester } from './digester.js'
import { announce, element } from './dom.js'
import type { Receipt, SentFile } from './dropper.js'
import { bytes, percent } from './format.js'

/** Entries that are shown; of more files the newest. All of them are in the list of uploads. */
const MOST_SHOWN = 100

interface ArrivalParts {
  readonly panel: HTMLElement
  readonly digester: Digester
  /** The digest of an upload whose last answer had none; undefined where the server does not say. */
  readonly digestOf: (url: string) => Promise<string | undefined>
  /** An address of the file for others; null where this page cannot give one. */
  readonly linkOf: ((url: string) => Promise<string>) | null
}

/** What has become of each file of this tab: arrived and compared, waiting, or refused. */
export class Arrivals {
  readonly #parts: ArrivalParts
  readonly #list = element('ul', { class: 'arrivals' })
  readonly #entries = new Map<string, HTMLLIElement>()

  constructor(parts: ArrivalParts) {
    this.#parts = parts
    parts.panel.append(this.#list)
  }

  /** Shows a file that the server has whole, and compares its digest with that of the file here. */
  async arrived({ key, name, data }: SentFile, { url, sha256 }: Receipt): Promise<string | undefined> {
    const state = element('p', { class: 'arrival-state' }, 'Arrived. Comparing digests…')
    const tools = element('div', { class: 'arrival-tools' })
    this.#show(key, 'arrived', name, bytes(data.size), state, tools)
    announce(`${name} has arrived`)
    const { linkOf, digester, digestOf } = this.#parts
    if (linkOf) tools.append(copyButton('Copy link', `Copy link to ${name}`, () => linkOf(url)))
    const theirs = sha256 ?? (await digestOf(url).catch(() => undefined))
    if (theirs === undefined) {
      state.textContent = 'Arrived. The server did not say its digest.'
      return undefined
    }
    const digest = element('code', { class: 'digest', title: 'SHA-256 on the server' }, theirs)
    tools.append(copyButton('Copy SHA-256', `Copy SHA-256 of ${name}`, async () => theirs))
    state.after(digest)
    try {
      const ours = await digester.digestOf(data, (read) => {
        state.textContent = `Arrived. Comparing digests: ${percent(read, data.size)}`
      })
      this.#compared(key, state, ours === theirs)
    } catch {
      state.textContent = 'Arrived. The file here cannot be read any more, so its digest was not compared.'
    }
    return theirs
  }

  /** Shows a file that goes on by itself. */
  waiting({ key, name, data }: SentFile, words: string): void {
    this.#show(key, 'waiting', name, bytes(data.size), element('p', { class: 'arrival-state' }, words))
  }

  /** A file is being sent: it waits no more. */
  sending({ key }: SentFile): void {
    if (this.#entries.get(key)?.dataset.kind === 'waiting') this.#remove(key)
  }

  /** Shows a file that will not arrive. */
  failed({ key, name, data }: SentFile, words: string, isFinal: boolean): void {
    const text = isFinal ? words : `${words} “Retry” above tries again.`
    this.#show(key, 'failed', name, bytes(data.size), element('p', { class: 'arrival-state' }, text))
    announce(`${name}: ${words}`)
  }

  #compared(key: string, state: HTMLElement, isSame: boolean): void {
    const entry = this.#entries.get(key)
    if (entry) entry.dataset.kind = isSame ? 'verified' : 'failed'
    state.textContent = isSame
      ? 'Verified: the file here and the file on the server have the same SHA-256.'
      : 'The file on the server is not the file here. Was it changed while it was sent? Send it again.'
  }

  #show(key: string, kind: string, name: string, size: string, ...rest: HTMLElement[]): void {
    const head = element(
      'p',
      { class: 'arrival-name' },
      element('bdi', {}, name),
      ' ',
      element('span', { class: 'muted' }, size),
    )
    const entry = element('li', { class: 'arrival', 'data-kind': kind }, head, ...rest)
    this.#entries.get(key)?.remove()
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    this.#list.prepend(entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > MOST_SHOWN && oldest !== undefined) this.#remove(oldest)
    this.#parts.panel.hidden = false
  }

  #remove(key: string): void {
    this.#entries.get(key)?.remove()
    this.#entries.delete(key)
    this.#parts.panel.hidden = this.#entries.size === 0
  }
}
