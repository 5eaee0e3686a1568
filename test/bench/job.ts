/** How a server takes a file: tus, or one WebDAV PUT. */
export type Method = 'tus' | 'put'

/** A server, as the client's process has to know it. */
export interface Endpoint {
  /** Where uploads are created. */
  readonly url: string
  readonly method: Method
  /** Whether the answer to the last request of an upload must carry its SHA-256 as Repr-Digest. */
  readonly answersDigest: boolean
  /** The folder with the stored files, where `openssl dgst` computes the SHA-256 of each; else null. */
  readonly digestFolder: string | null
  /** Lines that every request of the client carries, for example a token. */
  readonly headers: readonly string[]
  /** Whether the client removes its uploads afterwards: true for a server that the benchmark did not start. */
  readonly remove: boolean
}

/** What the client's process is asked to do. Sizes are in bytes. */
export type Job = { readonly server: Endpoint; readonly bytes: number } & (
  | {
      /** Creates `parallel` uploads, then sends them all at once, each in one request. */
      readonly kind: 'upload'
      readonly parallel: number
    }
  | {
      /** Creates one upload and sends its first half. */ readonly kind: 'first-half'
    }
  | {
      /** Sends the second half of the upload at `location`. */ readonly kind: 'second-half'
      readonly location: string
    }
  | {
      /** Sends one upload in requests of `chunkBytes`, each with the checksum of that algorithm, or with none. */
      readonly kind: 'chunks'
      readonly chunkBytes: number
      readonly checksum: string | null
    }
  | {
      /** Stores `parallel` partial uploads, one after the other, and leaves them there. */
      readonly kind: 'parts'
      readonly parallel: number
    }
  | {
      /** Fetches the file at `location`, and keeps nothing of it. */
      readonly kind: 'download'
      readonly location: string
    }
  | {
      /** Sends `count` uploads over `parallel` connections that are kept alive. The creations are timed too. */
      readonly kind: 'many'
      readonly count: number
      readonly parallel: number
    }
)

export type JobOf<Kind extends Job['kind']> = Extract<Job, { kind: Kind }>

export interface JobResult {
  /** From the first byte to the last answer, or to the last digest where openssl computes it. */
  readonly seconds: number
  /** The processor time of openssl. */
  readonly digestCpuSeconds: number
  /** The uploads' URLs. */
  readonly locations: readonly string[]
}
