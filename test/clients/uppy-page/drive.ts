/** What a test and the page say to each other; types only, so that both sides can read it. */

/** What stands in the page's address, as JSON. */
export interface PageSettings {
  /** The creation URL. */
  readonly endpoint: string
  /** Options of @uppy/tus; none are its defaults. */
  readonly tus?: Readonly<Record<string, unknown>>
}

/** A file that the page makes for itself: `head`, then one block again and again. */
export interface FileSpec {
  readonly name: string
  readonly type: string
  readonly bytes: number
  /** Its first characters, a byte each. */
  readonly head: string
}

/** Uppy's `upload-progress`. */
export interface Progress {
  readonly file: string
  readonly bytes: number
}

/** A request that tus-js-client made, and the answer where there was one. */
export interface Asked {
  readonly file: string
  readonly method: string
  readonly url: string
  /** Its Upload-Offset. */
  readonly offset: number | null
  /** 0 while there is no answer; it stays 0 where the browser tells of a network error only. */
  status: number
  /** How many bytes of the file the page believed to be sent when the answer came. */
  sentAtAnswer: number
}

/** Uppy's `upload-error`. */
export interface Failure {
  readonly file: string
  readonly message: string
  /** The status in `error.originalResponse`; null for a network error. */
  readonly status: number | null
  readonly body: string | null
  readonly isNetworkError: boolean
}

/** All that the page saw since it was opened. */
export interface Report {
  readonly progress: readonly Progress[]
  /** Uppy's `progress`: the percentage that its status bar shows. */
  readonly percentages: readonly number[]
  readonly asked: readonly Asked[]
  /** File name and URL of each `upload-success`. */
  readonly succeeded: readonly { readonly file: string; readonly url: string }[]
  readonly failed: readonly Failure[]
}

/** What a test can tell the page to do. */
export interface Drive {
  add(files: readonly FileSpec[]): void
  /** Starts the upload and does not wait for it. */
  start(): void
  cancel(): void
  report(): Report
  /** Resolves when Uppy says `complete` for as many files. */
  ended(files: number): Promise<void>
}
