import type { Body, BodyEnd } from './body.js'
import type { ExpectedChecksum, UnannouncedChecksum } from './checksum.js'
import type { Creation } from './creation.js'
import type { HookAnswer, HookRequest } from './hook.js'
import type { Principal } from './principal.js'
import type { UploadView } from './upload-view.js'

/** The methods of a request for an upload. */
export type UploadMethod = 'POST' | 'HEAD' | 'PATCH' | 'DELETE'

/** What a request for an upload brings. */
export type RequestFacts = Pick<
  UploadRequest,
  'id' | 'method' | 'principal' | 'headers' | 'body' | 'checksum' | 'trailing' | 'creation'
> & { readonly asked?: HookRequest | null }

/** One checked request for an upload and what became of it, from tus/ to the store and back. */
export class UploadRequest {
  /** The upload's id; a creation has a new one. */
  id: string
  readonly method: UploadMethod
  readonly principal: Principal
  /** Headers that have been checked, in the one form @tus/server takes. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Body | null
  readonly checksum: ExpectedChecksum | null
  /** Null where the body has a `checksum` already, or can have no trailer. */
  readonly trailing: UnannouncedChecksum | null
  creation: Creation | null
  /** What hooks are told of the request; null where no hook listens. */
  readonly asked: HookRequest | null
  /** A hook has named the id: another upload may have it already. */
  isIdChosen = false
  /** What `pre-create` adds to the answer. */
  hookAnswer: HookAnswer | null = null
  /** Upload-Length that came with a PATCH; it counts once its body is received. */
  declaredLength: number | null = null
  /** The upload, once the store has loaded or created it. */
  upload: UploadView | null = null
  /** How the body ended; null before that. */
  bodyEnd: BodyEnd | null = null

  constructor(facts: RequestFacts) {
    this.id = facts.id
    this.method = facts.method
    this.principal = facts.principal
    this.headers = facts.headers
    this.body = facts.body
    this.checksum = facts.checksum
    this.trailing = facts.trailing
    this.creation = facts.creation
    this.asked = facts.asked ?? null
  }

  /** A creation becomes what `pre-create` says. */
  change(creation: Creation, chosenId: string | undefined): void {
    this.creation = creation
    if (chosenId === undefined) return
    this.id = chosenId
    this.isIdChosen = true
  }

  /** Ends the body, because a newer request asks for the upload. */
  interrupt(): void {
    this.body?.stop('taken_over')
  }
}
