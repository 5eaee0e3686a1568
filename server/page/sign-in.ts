import { byId, setText } from './dom.js'
import type { Session } from './session.js'

interface SignInParts {
  readonly session: Session
  /** Uploads need a token. */
  readonly needsToken: boolean
  /** Somebody else asks now. */
  readonly changed: () => void
}

/** Asks for the admin key or a token, and forgets it again. */
export class SignIn {
  readonly #parts: SignInParts
  readonly #form = byId('sign-in', HTMLFormElement)
  readonly #field = byId('key', HTMLInputElement)
  readonly #text = byId('sign-in-text', HTMLElement)
  readonly #problem = byId('sign-in-problem', HTMLElement)
  readonly #forget = byId('forget', HTMLButtonElement)

  constructor(parts: SignInParts) {
    this.#parts = parts
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#use(this.#field.value.trim() || null)
    })
    this.#forget.addEventListener('click', () => this.#use(null))
  }

  /** Shows what is known before anything is asked. */
  settle(): void {
    const { session, needsToken } = this.#parts
    this.#forget.hidden = session.key === null
    this.#form.hidden = !(needsToken && session.key === null)
    setText(this.#text, needsToken ? 'To send files here you need a token. Paste it, or the admin key.' : '')
    setText(this.#problem, '')
  }

  /** The list is only for those who have a key; `problem` is what is wrong with the one that was given. */
  ask(problem: string | null): void {
    const { needsToken } = this.#parts
    const text = needsToken
      ? 'To send files and to see your uploads, you need a token. Paste it, or the admin key.'
      : 'Anybody may send files here. To see what has arrived, enter the admin key.'
    setText(this.#text, text)
    setText(this.#problem, problem ?? '')
    this.#form.hidden = false
    if (problem !== null) this.#field.focus()
  }

  #use(key: string | null): void {
    this.#field.value = ''
    this.#parts.session.key = key
    this.#parts.changed()
  }
}
