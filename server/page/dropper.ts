import Uppy, { type UppyFile } from '@uppy/core'
import '@uppy/core/css/style.min.css'
import Dashboard from '@uppy/dashboard'
import '@uppy/dashboard/css/style.min.css'
import Tus from '@uppy/tus'
import { sha256Of } from './format.js'
import { forgetInterrupted } from './interrupted.js'
import { Refusal, tooLarge } from './refusal.js'

/** A browser has six connections to a server: one is for events, and one for what the page asks. */
const MOST_AT_ONCE = 4
/** While all slots are taken, the request is repeated for five minutes. tus-js-client counts from 0 again after each byte. */
const RETRY_DELAYS = [0, 1_000, 3_000, ...Array<number>(60).fill(5_000)]

export interface DropLimits {
  /** Bytes of one file. */
  readonly maxSize: number
  /** Types and patterns; null leaves it to the server, which sees the bytes. */
  readonly accept: string[] | null
  /** Files that may still be sent; null for no limit. */
  readonly count: number | null
}

/** A file on its way, or at its end. */
export interface SentFile {
  /** The same for the same file. */
  readonly key: string
  readonly name: string
  readonly data: Blob
}

/** What the server has said of a file that it has whole. */
export interface Receipt {
  readonly url: string
  /** Hex; undefined where the last answer had no digest. */
  readonly sha256: string | undefined
}

interface DropperParts {
  readonly target: HTMLElement
  /** The creation URL. */
  readonly endpoint: URL
  readonly slots: number
  readonly headers: () => Record<string, string>
  readonly limits: DropLimits
  readonly arrived: (file: SentFile, receipt: Receipt) => void
  /** It goes on by itself. */
  readonly waiting: (file: SentFile, words: string) => void
  readonly sending: (file: SentFile) => void
  /** `isFinal`: to send it again will not help. */
  readonly failed: (file: SentFile, words: string, isFinal: boolean) => void
}

type Meta = Record<string, unknown>
type Body = Record<string, unknown>
type Answer = UppyFile<Meta, Body>['response']

const STRINGS = {
  dashboardTitle: 'Files to send',
  dropPasteBoth: 'Drop files or folders here, paste, %{browseFiles} or %{browseFolders}',
  browseFiles: 'choose files',
  browseFolders: 'a folder',
  dropHint: 'Drop to send',
}

const REFUSALS = { youCanOnlyUploadFileTypes: 'Only files of these types are accepted here: %{types}' }

/** Uppy's Dashboard, with uploads by tus that go on after a cut, and after the tab was closed. */
export class Dropper {
  readonly #uppy = new Uppy<Meta, Body>({
    autoProceed: true,
    locale: { strings: REFUSALS, pluralize: (count) => (count === 1 ? 0 : 1) },
  })
  readonly #parts: DropperParts
  #limits: DropLimits
  /** Whose requests they are; Uppy does not say it of one that is tried again. */
  readonly #files = new WeakMap<object, SentFile>()
  /** Files for which to try again makes no sense. */
  readonly #lost = new Set<string>()

  constructor(parts: DropperParts) {
    this.#parts = parts
    this.#limits = parts.limits
    this.#uppy.use(Dashboard, {
      target: parts.target,
      inline: true,
      width: '100%',
      height: 320,
      theme: 'auto',
      fileManagerSelectionType: 'both',
      proudlyDisplayPoweredByUppy: false,
      singleFileFullScreen: false,
      // Files are not shown for long: they leave when they have arrived.
      disableThumbnailGenerator: true,
      // What it would say, the page says of each file, in words for people.
      disableInformer: true,
      locale: { strings: STRINGS },
    })
    this.#uppy.use(Tus, {
      endpoint: parts.endpoint.href,
      limit: Math.min(MOST_AT_ONCE, parts.slots),
      retryDelays: RETRY_DELAYS,
      // What has arrived is not interrupted, and the browser has room for some thousand addresses.
      removeFingerprintOnSuccess: true,
      headers: () => parts.headers(),
      onShouldRetry: (error, _attempt, _options, retries) => {
        const answer = error.originalResponse?.getUnderlyingObject()
        const refusal = refusalIn(answer instanceof XMLHttpRequest ? answer : null)
        // The day's bytes come back tomorrow.
        if (refusal.code === 'owner_bytes_used' || !retries(error)) return false
        const file = this.#files.get(error.originalRequest)
        if (file) parts.waiting(file, `${refusal.message} It goes on by itself.`)
        return true
      },
      onBeforeRequest: (request, file) => void this.#files.set(request, sentFile(file)),
    })
    this.limits = parts.limits
    this.#listen()
  }

  set limits(limits: DropLimits) {
    this.#limits = limits
    const { maxSize, accept, count } = limits
    const restrictions = { maxFileSize: maxSize, allowedFileTypes: accept, maxNumberOfFiles: count }
    this.#uppy.setOptions({ restrictions })
  }

  #listen(): void {
    const { arrived, sending } = this.#parts
    this.#uppy.on('upload-success', (file, response) => {
      if (!file) return
      const url = (response.uploadURL ?? '').split('?', 1)[0] ?? ''
      const digest = answerIn(response)?.getResponseHeader('Repr-Digest') ?? null
      arrived(sentFile(file), { url, sha256: sha256Of(digest) })
    })
    this.#uppy.on('upload-progress', (file) => file && sending(sentFile(file)))
    this.#uppy.on('upload-error', (file, _error, response) => {
      if (!file) return
      const answer = answerIn(response)
      const refusal = refusalIn(answer)
      const isLost = isFinal(refusal)
      if (isLost) {
        this.#lost.add(file.id)
        forgetInterrupted(answer?.responseURL)
      }
      this.#parts.failed(sentFile(file), refusal.message, isLost)
    })
    this.#uppy.on('restriction-failed', (file, error) => {
      const { maxSize } = this.#limits
      const isTooLarge = (file?.size ?? 0) > maxSize
      const lost = file ? sentFile(file) : { key: 'files', name: 'Some files', data: new Blob() }
      this.#parts.failed(lost, isTooLarge ? tooLarge(maxSize) : `${error.message}.`, true)
    })
    this.#uppy.on('complete', ({ successful = [], failed = [] }) => {
      // What has arrived is shown below; what failed stays, with a button to try again.
      const over = failed.filter(({ id }) => this.#lost.delete(id))
      for (const { id } of [...successful, ...over]) this.#uppy.removeFile(id)
    })
  }
}

function sentFile({ id, name, data }: UppyFile<Meta, Body>): SentFile {
  return { key: id, name: name ?? 'unnamed', data: data instanceof Blob ? data : new Blob() }
}

/** The request whose answer ended an upload; null where there was no answer. */
function answerIn(response: Pick<NonNullable<Answer>, 'body'> | undefined): XMLHttpRequest | null {
  const xhr = response?.body?.xhr
  return xhr instanceof XMLHttpRequest && xhr.status !== 0 ? xhr : null
}

function refusalIn(answer: XMLHttpRequest | null): Refusal {
  return new Refusal(answer?.status ?? 0, answer?.responseText ?? '')
}

/** A key can be entered and a place comes free; nothing else that a client did wrong gets right by itself. */
function isFinal({ status }: Refusal): boolean {
  return status >= 400 && status < 500 && ![401, 409, 423, 429].includes(status)
}
