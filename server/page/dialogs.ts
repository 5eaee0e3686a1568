import { copyButton } from './copy.js'
import { byId, type Child, element, setText } from './dom.js'
import { wordsOf } from './refusal.js'

/** Opens a dialog of the document; its button `[value=cancel]` and Escape close it. */
export function openDialog(id: string): HTMLDialogElement {
  const dialog = byId(id, HTMLDialogElement)
  dialog.returnValue = ''
  dialog.showModal()
  return dialog
}

/** Makes the buttons that only close their dialog do so; forms are not sent anywhere. */
export function prepareDialogs(): void {
  for (const button of document.querySelectorAll('dialog [data-close]'))
    button.addEventListener('click', () => button.closest('dialog')?.close('cancel'))
}

/** Asks a question, and resolves with whether the answer was yes. */
export function confirmed(title: readonly Child[], text: string, yes: string): Promise<boolean> {
  const dialog = openDialog('confirm')
  byId('confirm-title', HTMLElement).replaceChildren(...title)
  setText(byId('confirm-text', HTMLElement), text)
  const button = byId('confirm-yes', HTMLButtonElement)
  setText(button, yes)
  const accept = (): void => dialog.close('yes')
  button.addEventListener('click', accept)
  return new Promise((resolve) => {
    const closed = (): void => {
      button.removeEventListener('click', accept)
      resolve(dialog.returnValue === 'yes')
    }
    dialog.addEventListener('close', closed, { once: true })
  })
}

/** An address to read, to select and to copy. */
export function addressField(label: string, url: string): HTMLElement {
  const field = element('input', { type: 'url', readonly: true, value: url, 'aria-label': label })
  field.addEventListener('focus', () => field.select())
  return element(
    'div',
    { class: 'address' },
    field,
    copyButton('Copy', `Copy: ${label}`, async () => url),
  )
}

/** Runs what a form asks for: its button waits, and what fails stands below it. */
export async function submitting(form: HTMLFormElement, work: () => Promise<void>): Promise<void> {
  const button = form.querySelector('button[type=submit]')
  const problem = form.querySelector('[role=alert]')
  if (problem) setText(problem, '')
  if (button instanceof HTMLButtonElement) button.disabled = true
  try {
    await work()
  } catch (error) {
    if (problem) setText(problem, wordsOf(error))
  } finally {
    if (button instanceof HTMLButtonElement) button.disabled = false
  }
}
