/** What is known of a request at its beginning. */
export interface RequestFacts {
  /** The method that counts, and the one that was sent. */
  readonly method: string
  readonly sentMethod: string
  /** Without the query, which may have a grant, a key or a link, and without the token of a drop link. */
  readonly path: string
  /** The address as a template, such as `/files/{id}`; null where nothing is served there. */
  readonly route: string | null
  /** Null where the address names none. */
  readonly uploadId: string | null
  /** Scheme and host by which the client reached us; '' where it named no host. */
  readonly origin: string
  /** The client's network. */
  readonly client: string
  readonly httpVersion: string
}
