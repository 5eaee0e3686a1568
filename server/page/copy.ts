import { announce, element } from './dom.js'
import { wordsOf } from './refusal.js'

const SHOWN_MS = 2_500

/** A button that copies a text, which may have to be asked for first. */
export function copyButton(
  label: string,
  description: string,
  text: () => Promise<string>,
): HTMLButtonElement {
  const button = element('button', { type: 'button', class: 'quiet', 'aria-label': description }, label)
  button.addEventListener('click', () => {
    copied(text).then(
      (isCopied) => tell(button, label, isCopied ? 'Copied' : 'Not allowed'),
      (error: unknown) => tell(button, label, wordsOf(error)),
    )
  })
  return button
}

async function copied(text: () => Promise<string>): Promise<boolean> {
  return writeClipboard(await text())
}

/** Copies a text. The newer way is there only with https, and on the machine itself. */
async function writeClipboard(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text)
      return true
    } catch {
      // The user has refused the permission; the older way needs none.
    }
  }
  const field = element('textarea', { class: 'unseen', 'aria-hidden': 'true', tabindex: -1 })
  field.value = text
  const focused = document.activeElement
  // What is outside an open dialog cannot be selected.
  const place = focused?.closest('dialog') ?? document.body
  place.append(field)
  field.select()
  const isCopied = document.execCommand('copy')
  field.remove()
  if (focused instanceof HTMLElement) focused.focus()
  return isCopied
}

function tell(button: HTMLButtonElement, label: string, words: string): void {
  button.textContent = words
  announce(words)
  setTimeout(() => {
    button.textContent = label
  }, SHOWN_MS)
}
