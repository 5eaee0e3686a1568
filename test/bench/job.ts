/** How a server takes a file: tus, or one WebDAV PUT. */
export type Method = 'tus' | 'put'

/** What the client process is asked to do; sizes in bytes. */
export type Job =
  /** Creates `parallel` uploads, then sends them all at once, each in one request. */
  | { kind: 'upload'; url: string; method: Method; bytes: number; parallel: number; remove: boolean }
  /** Creates one upload of `bytes` and sends its first half. */
  | { kind: 'first-half'; url: string; bytes: number }
  /** Sends the second half of an upload; `url` is the upload's own. */
  | { kind: 'second-half'; url: string; bytes: number }
  /** Sends one upload in requests of `chunkBytes`, each with its checksum of that algorithm, or with none. */
  | { kind: 'chunks'; url: string; bytes: number; chunkBytes: number; checksum: string | null }
  /** Stores `parallel` partial uploads of `bytes` each. */
  | { kind: 'parts'; url: string; bytes: number; parallel: number }
  /** Sends `count` uploads over `parallel` connections that are kept alive. */
  | {
      kind: 'small'
      url: string
      method: Method
      bytes: number
      count: number
      parallel: number
      remove: boolean
    }

export interface JobResult {
  /** From the first byte to the last answer. */
  readonly seconds: number
  /** The uploads' URLs. */
  readonly locations: readonly string[]
}
