import type { Api, GrantTerms } from './api.js'
import { addressField, openDialog, submitting } from './dialogs.js'
import { byId } from './dom.js'
import { date } from './format.js'
import { qrCode } from './qr.js'

/** Makes drop links: pages on which somebody without a key may send files, within limits. */
export class DropLinkDialog {
  readonly #form = byId('drop-link-form', HTMLFormElement)
  readonly #result = byId('drop-link-result', HTMLElement)

  constructor(api: Pick<Api, 'dropLink'>) {
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      void submitting(this.#form, async () => {
        const { dropUrl, expiresAt } = await api.dropLink(termsOf(new FormData(this.#form)))
        this.#result.replaceChildren(
          addressField('Drop link', dropUrl),
          `Whoever has this link can send files until ${date(expiresAt)}. Scan the code to open it on a phone.`,
          qrCode(dropUrl, 'QR code of the drop link'),
        )
        this.#result.scrollIntoView({ block: 'nearest' })
      })
    })
  }

  open(): void {
    this.#result.replaceChildren()
    openDialog('drop-link')
  }
}

/** The terms in the form; a field that is empty sets no limit. */
function termsOf(data: FormData): GrantTerms {
  const text = (name: string): string => String(data.get(name) ?? '').trim()
  const accept = text('accept')
    .split(/[\s,]+/)
    .filter((type) => type !== '')
  return {
    expiresIn: Number(text('expiresIn')),
    ...(text('maxSize') === ''
      ? {}
      : { maxSize: Math.floor(Number(text('maxSize')) * Number(text('unit'))) }),
    ...(text('count') === '' ? {} : { count: Number(text('count')) }),
    ...(accept.length === 0 ? {} : { accept: accept.map((type) => type.toLowerCase()) }),
    ...(text('owner') === '' ? {} : { owner: text('owner') }),
  }
}
