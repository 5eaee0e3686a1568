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

  /** The list is only for those who have a key. One that was given is wrong, and would be refused for uploads too. */
  ask(): void {
    const { session, needsToken } = this.#parts
    const text = needsToken
      ? 'To send files and to see your uploads, you need a token. Paste it, or the admin key.'
      : 'Anybody may send files here. To see what has arrived, enter the admin key.'
    setText(this.#text, text)
    const wasGiven = session.key !== null
    setText(this.#problem, wasGiven ? 'This key or token is not valid here.' : '')
    session.key = null
    this.#forget.hidden = true
    this.#form.hidden = false
    if (wasGiven) this.#field.focus()
  }

  #use(key: string | null): void {
    this.#field.value = ''
    this.#parts.session.key = key
    this.#parts.changed()
  }
}
