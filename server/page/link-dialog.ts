import type { Api, UploadRow } from './api.js'
import { addressField, openDialog, submitting } from './dialogs.js'
import { byId, element } from './dom.js'
import { date } from './format.js'
import { nameOf } from './upload-line.js'

/** Makes signed links to finished uploads, which anybody can open for a while. */
export class LinkDialog {
  readonly #form = byId('link-form', HTMLFormElement)
  readonly #result = byId('link-result', HTMLElement)
  #row: UploadRow | null = null

  constructor(api: Pick<Api, 'link'>) {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      const row = this.#row
      if (!row) return
      void submitting(this.#form, async () => {
        const seconds = Number(new FormData(this.#form).get('expiresIn'))
        const { url, expiresAt } = await api.link(row.id, seconds)
        this.#result.replaceChildren(
          addressField(`Link to ${nameOf(row)}`, url),
          `Whoever has this link can download the file until ${date(expiresAt)}.`,
        )
      })
    })
  }

  open(row: UploadRow): void {
    this.#row = row
    this.#result.replaceChildren()
    byId('link-title', HTMLElement).replaceChildren('Link to ', element('bdi', {}, nameOf(row)))
    openDialog('link')
  }
}
